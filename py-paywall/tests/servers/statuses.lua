-- Asks for each of the customers in turn, and counts the answers by status and customer.
local customers = { "ada", "bob", "eve" }
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init()
   asked, counts = 0, {}
   for i, customer in ipairs(customers) do
      customers[i] = wrk.format("GET", "/reports", { ["X-Customer"] = customer })
   end
end

function request()
   asked = asked + 1
   return customers[asked % #customers + 1]
end

function response(status)
   counts[status] = (counts[status] or 0) + 1
end

function done(summary, latency)
   local total = {}
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("counts")) do
         total[status] = (total[status] or 0) + count
      end
   end
   for status, count in pairs(total) do
      io.write(string.format("status %d %d\n", status, count))
   end
   for kind, count in pairs(summary.errors) do
      io.write(string.format("error %s %d\n", kind, count))
   end
   io.write(string.format("slowest %d\n", latency.max))
end
