//! What the figures are made of, and what the machine allows.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use crate::ingest::{Ingest, Limits, Processor};
use crate::pure::nanoseconds;

/// What the figures of the pure code that have targets are made of.
pub(super) fn of_pure_code(criterion: &Path) -> Result<String> {
    let time = |group: &str, benchmark: &str| nanoseconds(criterion, group, benchmark);
    let (bare, verify) = (
        time("verify_empty", "bare_mac")?,
        time("verify_empty", "verify")?,
    );
    let event = "decode_subscription";
    let (event_mac, pass) = (time(event, "bare_mac")?, time(event, "pass_over")?);
    let over = time("gate", "gated_handler")? - time("gate", "handler")?;
    let mut text = format!(
        "Of verification, {:.0} ns do not depend on the body: parsing the header, comparing, taking the delivery.\n\n\
         To pass over the same bytes as decoding, and keep nothing, serde_json takes {pass:.0} ns; decoding also keeps \
         the fields that count and looks in every object for keys that stand twice. With that pass alone, verifying and \
         decoding would take {:.2} of the bare HMAC. A processor with instructions for SHA-256 makes the HMAC several times \
         faster, and nothing else: what is compared with it weighs that much more there.\n\n\
         Of the tower layer's {over:.0} ns:\n\n| part | time |\n|---|---|\n",
        verify - bare,
        (event_mac + pass) / event_mac
    );
    for (name, part) in [
        ("route", "choosing the gate before the path"),
        ("decide", "deciding by the row"),
        ("row", "the reader's own copy of the row"),
        (
            "extensions",
            "leaving the decision in the request's extensions",
        ),
        ("boxed", "a box for the reader's future"),
        ("counter", "counting, where nobody has installed a recorder"),
    ] {
        writeln!(text, "| {part} | {:.0} ns |", time("gate_parts", name)?)?;
    }
    let least = time("gate_parts", "together")? - time("gate", "handler")?;
    writeln!(
        text,
        "\nAll of it but the counting in one function, with the request taken apart once and without what makes it \
         a layer (a future that can wait, time out, be dropped or panic): {least:.0} ns over the handler. The layer \
         can't be below that as long as the rules ask for these parts.\n"
    )?;
    Ok(text)
}

/// What the figures of the stores are made of.
pub(super) fn of_stores(stores: &[(&'static str, Ingest)]) -> Result<String> {
    let mut text = String::from(
        "New customers, 256 in flight: the same statements by themselves, from one connection and in batches, without \
         HTTP, verification, decoding or a mirror that is fed; the ledger and its mirror embedded in the benchmark's own \
         process, given decoded events and all processors; and where the processors' time goes per event. A server \
         is hardly faster than the ledger in it: there is one writer, and everybody waits for its turn. Statements and \
         the embedded ledger begin with empty tables; what is updated is in the tables of each store, with what the \
         statements take there.\n\n\
         | store | events | events per second | statements alone | embedded | server | database and kernel | load generator | processors busy |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (store, ingest) in stores {
        for (events, load) in [
            ("sign-ups", &ingest.sign_ups),
            ("subscriptions", &ingest.subscriptions),
        ] {
            let Limits {
                statements,
                embedded,
            } = load.limits;
            let Processor {
                server,
                generator,
                rest,
                busy,
            } = load.processor;
            writeln!(
                text,
                "| {store} | {events} | {:.0} | {statements:.0} | {embedded:.0} | {server:.0} µs | {rest:.0} µs \
                 | {generator:.0} µs | {:.0} % |",
                load.run.rate(),
                busy * 100.0,
            )?;
        }
    }
    Ok(text)
}
