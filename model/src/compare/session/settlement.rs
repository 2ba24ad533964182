//! What only the server knows of a request, and its reply shows: the moment at which it read its clock, and what it drew
//! by chance. The model runs the request as of that moment, and draws the same.

use std::collections::BTreeMap;

use super::{Session, now_ms};
use crate::Model;
use crate::compare::{Failure, elements, wire};
use crate::exemptions::{self, Observation, Version};
use crate::stages::{Draws, Stage};
use crate::state::Expiring;

/// A request that was sent.
pub(super) struct Sent<'a> {
    pub connection: usize,
    pub request: &'a [Vec<u8>],
    /// The model before it.
    pub before: &'a Model,
    /// When it was sent, and when the reply was there, in milliseconds since 1970.
    pub before_ms: i64,
    pub after_ms: i64,
}

/// What the model made of a request at a moment.
pub(super) struct Run {
    pub model: Model,
    pub reply: Vec<u8>,
    pub stages: Vec<Stage>,
}

impl Run {
    pub(super) fn new(
        model: &Model,
        (connection, request): (usize, &[Vec<u8>]),
        moment_ms: i64,
        draws: Draws,
    ) -> Run {
        let mut model = model.clone();
        model.foretell(draws);
        if exemptions::answers_each(request) {
            model.record_stages();
        }
        let reply = model.execute(connection, request, moment_ms);
        let stages = model.take_stages();
        Run {
            model,
            reply,
            stages,
        }
    }
}

/// Expiries that the server was asked for, in milliseconds since 1970, or a negative number.
type Told = BTreeMap<Expiring, i64>;

impl Session {
    /// Finds the moment at which the server's reply, and the expiries it has set, are what the model makes of the request.
    /// `reply` and `stages` are what it made at the first moment, and this session's model is the one behind that.
    pub(super) fn settle(
        &mut self,
        sent: &Sent,
        (reply, stages): (Vec<u8>, Vec<Stage>),
        actual: &[u8],
    ) -> Result<(), Failure> {
        let draws = draws(sent.request, &stages, actual);
        let mut told = Told::new();
        if draws.is_empty() && self.agrees(sent, (&reply, &stages), actual, &mut told)? {
            self.learn_dumps(sent, &stages, actual);
            return Ok(());
        }
        for moment in sent.before_ms..=sent.after_ms {
            let request = (sent.connection, sent.request);
            let run = Run::new(sent.before, request, moment, draws.clone());
            self.model = run.model;
            if self.agrees(sent, (&run.reply, &run.stages), actual, &mut told)? {
                self.learn_dumps(sent, &run.stages, actual);
                return Ok(());
            }
        }
        // Before 7.2 each request of a transaction or a script reads the clock itself.
        if self.version < Version(7, 2, 0) && sent.before_ms < sent.after_ms {
            return Err(Failure::Inconclusive);
        }
        if !told.is_empty() {
            let expiries = self.model.relative_expiries();
            self.transcript
                .note(&format!("the model's expiries: {expiries:?}"));
            self.transcript.note(&format!("the server's: {told:?}"));
        }
        Err(self.divergence(&reply, actual))
    }

    /// Whether the server's reply and its expiries are those of this session's model.
    fn agrees(
        &mut self,
        sent: &Sent,
        (reply, stages): (&[u8], &[Stage]),
        actual: &[u8],
        told: &mut Told,
    ) -> Result<bool, Failure> {
        let observation = Observation {
            request: sent.request,
            stages,
            version: self.version,
            expected: reply,
            actual,
            before: sent.before,
            model: &self.model,
            database: self.model.selected(sent.connection).0,
            before_ms: sent.before_ms,
            after_ms: sent.after_ms,
        };
        if !exemptions::accepts(&observation) {
            return Ok(false);
        }
        for (expiring, own) in self.model.relative_expiries() {
            let theirs = match told.get(&expiring) {
                Some(theirs) => *theirs,
                None => self.ask_for_expiry(&expiring)?,
            };
            if theirs == -2 && own != -1 && now_ms() >= own {
                return Err(Failure::Inconclusive);
            }
            told.insert(expiring, theirs);
            if theirs != own {
                return Ok(false);
            }
        }
        self.model.confirm_expiries();
        Ok(true)
    }

    fn learn_dumps(&mut self, sent: &Sent, stages: &[Stage], actual: &[u8]) {
        let mut learn = |model: &Model, database: usize, request: &[Vec<u8>], reply: &[u8]| {
            if let (true, Some(wire::Node::Blob(_, dump))) =
                (request[0].eq_ignore_ascii_case(b"DUMP"), wire::parse(reply))
            {
                self.model.learn_dump(model, database, &request[1], &dump);
            }
        };
        let (database, _) = sent.before.selected(sent.connection);
        learn(sent.before, database, sent.request, actual);
        let (replies, _) = elements(actual).unwrap_or_default();
        for (stage, reply) in stages.iter().zip(&replies) {
            learn(&stage.before, stage.database, &stage.request, reply);
        }
    }

    fn ask_for_expiry(&mut self, expiring: &Expiring) -> Result<i64, Failure> {
        let key = expiring.key.clone();
        let word = |word: &str| word.as_bytes().to_vec();
        let question = match &expiring.field {
            None => vec![word("PEXPIRETIME"), key],
            Some(field) => {
                let [command, fields, one] = ["HPEXPIRETIME", "FIELDS", "1"].map(word);
                vec![command, key, fields, one, field.clone()]
            }
        };
        let answer = self.ask_aside(expiring.database, &question)?;
        let number = wire::parse(&answer).and_then(|node| match node.items() {
            Some(items) => items.first()?.integer(),
            None => node.integer(),
        });
        number.ok_or_else(|| self.divergence(b"an expiry", &answer))
    }
}

/// What the server has drawn by chance, as far as it changes what comes next.
fn draws(request: &[Vec<u8>], stages: &[Stage], actual: &[u8]) -> Draws {
    let pops = |request: &[Vec<u8>]| request[0].eq_ignore_ascii_case(b"SPOP");
    if pops(request) {
        return Draws::from([(0, popped(actual))]);
    }
    let (replies, _) = elements(actual).unwrap_or_default();
    let places = stages.iter().zip(&replies).enumerate();
    let popping = places.filter(|(_, (stage, _))| pops(&stage.request));
    popping
        .map(|(at, (_, reply))| (at, popped(reply)))
        .collect()
}

/// The members in a reply to SPOP; messages may stand behind it.
fn popped(reply: &[u8]) -> Vec<Vec<u8>> {
    let nodes = wire::parse_several(reply);
    match nodes.and_then(|nodes| nodes.into_iter().next()) {
        Some(wire::Node::Blob(_, member)) => vec![member],
        Some(wire::Node::Items(_, items)) => {
            let members = items.iter().filter_map(wire::Node::text);
            members.map(<[u8]>::to_vec).collect()
        }
        _ => Vec::new(),
    }
}
