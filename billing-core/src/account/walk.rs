//! Walks through states: where a set of moves, known without their order, must end (O3, A5).

use std::collections::HashMap;
use std::hash::Hash;

/// The balance of every state that a set of moves touches: moves in − moves out.
pub(crate) struct Walk<'a, V> {
    vertices: Vec<(&'a V, i64)>,
    connected: bool,
}

/// Where a walk must end.
pub(crate) enum End<'a, V> {
    /// At this state, and at no other.
    At(&'a V),
    /// Where it began, wherever that was: the moves close on themselves.
    Closed,
    /// The moves fit no single walk.
    Undecided,
}

impl<'a, V: Eq + Hash> Walk<'a, V> {
    pub(crate) fn of(moves: impl IntoIterator<Item = (&'a V, &'a V)>) -> Self {
        let mut index = HashMap::new();
        let mut vertices: Vec<(&'a V, i64)> = Vec::new();
        let mut parents: Vec<usize> = Vec::new();
        for (from, to) in moves {
            let [from, to] = [from, to].map(|state| {
                *index.entry(state).or_insert_with(|| {
                    vertices.push((state, 0));
                    parents.push(parents.len());
                    parents.len() - 1
                })
            });
            vertices[from].1 -= 1;
            vertices[to].1 += 1;
            let (from, to) = (root(&parents, from), root(&parents, to));
            parents[from] = to;
        }
        let connected = (1..parents.len()).all(|at| root(&parents, at) == root(&parents, 0));
        Self {
            vertices,
            connected,
        }
    }

    pub(crate) fn touches(&self, state: &V) -> bool {
        self.vertices.iter().any(|(vertex, _)| *vertex == state)
    }

    pub(crate) fn end(&self) -> End<'a, V> {
        if !self.connected {
            return End::Undecided;
        }
        self.end_if_connected()
    }

    /// The end by balances alone.
    pub(crate) fn end_if_connected(&self) -> End<'a, V> {
        let mut above = self.vertices.iter().filter(|(_, balance)| *balance > 0);
        match (above.next(), above.next()) {
            (None, _) => End::Closed,
            (Some((vertex, 1)), None) => End::At(vertex),
            _ => End::Undecided,
        }
    }

    /// The states that may be the end of an undecided walk.
    pub(crate) fn candidates(&self) -> Vec<&'a V> {
        let above: Vec<_> = self
            .vertices
            .iter()
            .filter(|(_, balance)| *balance > 0)
            .collect();
        let chosen = if above.is_empty() {
            self.vertices.iter().collect()
        } else {
            above
        };
        chosen.into_iter().map(|(vertex, _)| *vertex).collect()
    }
}

fn root(parents: &[usize], mut at: usize) -> usize {
    while parents[at] != at {
        at = parents[at];
    }
    at
}
