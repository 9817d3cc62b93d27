//! How answers reach an event loop: a queue that the loop itself empties when a pipe says so.
//!
//! The runtime's thread puts answers into the queue and, where it was empty, a byte into the pipe;
//! the loop watches the pipe. So the runtime's thread never takes the interpreter's lock, and many
//! answers cost one wake-up. There is at most one byte in the pipe: nothing ever waits to write.

use std::collections::HashMap;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;

use crate::decision::Decision;
use crate::receiver::Answered;

/// The futures of one event loop that wait for an answer.
#[pyclass(frozen, module = "py_paywall._native")]
pub(crate) struct Completions {
    answers: Arc<Answers>,
    waiting: Mutex<Waiting>,
    pipe: PipeReader,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    futures: HashMap<u64, Py<PyAny>>,
}

pub(crate) struct Answers {
    given: Mutex<Vec<(u64, Answer)>>,
    pipe: PipeWriter,
}

/// What a future may wait for.
pub(crate) enum Answer {
    Decision(Decision),
    Push(Answered),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that will be given: if not otherwise, then by whoever drops this.
pub(crate) struct Promise {
    answers: Arc<Answers>,
    key: u64,
    /// What is answered if nobody says anything else: a panic, or the end of the runtime.
    otherwise: Option<Answer>,
}

impl Promise {
    pub(crate) fn keep(mut self, answer: Answer) {
        self.otherwise = Some(answer);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(answer) = self.otherwise.take() {
            self.answers.give(self.key, answer);
        }
    }
}

impl Answers {
    fn give(&self, key: u64, answer: Answer) {
        let first = {
            let mut given = lock(&self.given);
            given.push((key, answer));
            given.len() == 1
        };
        if first {
            // A loop that is gone reads no more, and has nobody who waits.
            let _ = (&self.pipe).write_all(&[1]);
        }
    }
}

impl Completions {
    /// A promise to answer this future.
    pub(crate) fn promise(&self, future: Py<PyAny>, otherwise: Answer) -> Promise {
        let mut waiting = lock(&self.waiting);
        let key = waiting.next;
        waiting.next += 1;
        waiting.futures.insert(key, future);
        Promise {
            answers: Arc::clone(&self.answers),
            key,
            otherwise: Some(otherwise),
        }
    }
}

#[pymethods]
impl Completions {
    #[new]
    fn new() -> std::io::Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        Ok(Self {
            answers: Arc::new(Answers {
                given: Mutex::default(),
                pipe: writer,
            }),
            waiting: Mutex::default(),
            pipe: reader,
        })
    }

    /// What the loop watches: readable when there are answers.
    #[cfg(unix)]
    fn fileno(&self) -> i32 {
        use std::os::fd::AsRawFd as _;

        self.pipe.as_raw_fd()
    }

    /// How many futures wait.
    fn __len__(&self) -> usize {
        lock(&self.waiting).futures.len()
    }

    /// Waits until there are answers: for a thread of its own, where the loop can't watch a pipe.
    fn wait(&self, py: Python<'_>) -> std::io::Result<()> {
        py.detach(|| (&self.pipe).read_exact(&mut [0]))
    }

    /// Lets go of all futures, and wakes whoever waits: for a loop that was closed with some under
    /// way. A future keeps its loop, and so these.
    fn forget(&self) {
        let waiting = std::mem::take(&mut lock(&self.waiting).futures);
        drop(waiting);
        let _ = (&self.answers.pipe).write_all(&[1]);
    }

    /// Takes the pipe's byte and gives the answers to their futures: what the loop calls.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        (&self.pipe).read_exact(&mut [0])?;
        self.deliver(py)
    }

    /// Gives the answers to their futures. Those that were cancelled meanwhile get none.
    fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        let given = std::mem::take(&mut *lock(&self.answers.given));
        for (key, answer) in given {
            let Some(future) = lock(&self.waiting).futures.remove(&key) else {
                continue;
            };
            let future = future.bind(py);
            if future.call_method0(intern!(py, "done"))?.is_truthy()? {
                continue;
            }
            match answer {
                Answer::Decision(decision) => {
                    future.call_method1(intern!(py, "set_result"), (decision,))?;
                }
                Answer::Push(answered) => {
                    future.call_method1(intern!(py, "set_result"), (answered,))?;
                }
            }
        }
        Ok(())
    }
}
