//! The sockets of a session: opening and closing them, and what is sent beside the sequence.

use super::Session;
use crate::Protocol;
use crate::compare::{Failure, messages, socket::Socket, wire};
use crate::exemptions::Version;
use crate::generate::CONNECTIONS;

impl Session {
    pub(super) fn send_words(&mut self, connection: usize, words: &[&str]) -> Result<(), Failure> {
        let request: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.exchange(connection, &request)
    }

    /// Sends words that the model does not see.
    pub(super) fn bare(&mut self, connection: usize, words: &[&str]) -> Result<Vec<u8>, Failure> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.bare_bytes(connection, &words)
    }

    pub(super) fn bare_bytes(
        &mut self,
        connection: usize,
        words: &[&[u8]],
    ) -> Result<Vec<u8>, Failure> {
        let request: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        self.transcript.request(connection, &request);
        self.model.hear(connection, &request);
        let socket = &mut self.sockets[connection];
        let answered = socket.send(&request).and_then(|()| socket.receive());
        answered.map_err(|error| self.broken(error))
    }

    /// Asks on a connection of its own, whose user may see everything.
    pub(super) fn ask_aside(
        &mut self,
        database: usize,
        question: &[Vec<u8>],
    ) -> Result<Vec<u8>, Failure> {
        let aside = self.sweeper.as_mut().expect("it is connected");
        let select = [b"SELECT".to_vec(), database.to_string().into_bytes()];
        let answered = aside
            .send(&select)
            .and_then(|()| aside.receive())
            .and_then(|_| aside.send(question))
            .and_then(|()| aside.receive());
        answered.map_err(|error| self.broken(error))
    }

    /// Compares what the request of one connection sends to the others, and to itself behind a wait.
    pub(super) fn receive_messages(&mut self, sender: usize) -> Result<(), Failure> {
        for connection in (0..CONNECTIONS).filter(|connection| *connection != sender) {
            let expected = self.model.take_posted(connection);
            let frames = wire::parse_several(&expected).map_or(0, |frames| frames.len());
            let received = self.sockets[connection].receive_several(frames);
            let actual = received.map_err(|error| self.missing(&expected, error))?;
            if !messages::are_same(&expected, &actual) {
                return Err(self.divergence(&expected, &actual));
            }
        }
        Ok(())
    }

    /// Finds the connections closed that the last request was to close.
    pub(super) fn end_closed(&mut self) -> Result<(), Failure> {
        let closed = self.model.take_closing();
        let mut closed = closed.into_iter();
        closed.try_for_each(|connection| self.end_connection(connection))
    }

    /// The connection was to be closed; opens it anew.
    pub(super) fn end_connection(&mut self, connection: usize) -> Result<(), Failure> {
        let closed = self.sockets[connection].is_closed_by_peer();
        if !closed.map_err(|error| self.broken(error))? {
            return Err(self.divergence(b"the connection is closed", b"it goes on"));
        }
        self.model.disconnect(connection);
        self.sockets[connection] = self.connect(connection)?;
        Ok(())
    }

    /// Opens a connection and learns its number.
    fn connect(&mut self, connection: usize) -> Result<Socket, Failure> {
        let opened = Socket::connect(self.address);
        let mut socket = opened.map_err(|error| self.broken(error))?;
        let reply = socket.ask(&["CLIENT", "ID"]);
        let reply = reply.map_err(|error| self.broken(error))?;
        let number = wire::parse(&reply).and_then(|node| node.integer());
        let number = number.ok_or_else(|| self.divergence(b"a number", &reply))?;
        self.model.number(connection, number);
        self.model
            .hear(connection, &[b"CLIENT".to_vec(), b"ID".to_vec()]);
        Ok(socket)
    }

    pub(super) fn connect_all(&mut self) -> Result<(), Failure> {
        for connection in 0..CONNECTIONS {
            let socket = self.connect(connection)?;
            self.sockets.push(socket);
        }
        let sweeper = Socket::connect(self.address);
        self.sweeper = Some(sweeper.map_err(|error| self.broken(error))?);
        let greeting = self.sockets[0]
            .ask(&["HELLO"])
            .map_err(|error| self.broken(error))?;
        self.model.hear(0, &[b"HELLO".to_vec()]);
        self.version = Version::of_greeting(&greeting)
            .ok_or_else(|| self.divergence(b"a greeting", &greeting))?;
        assert_eq!(
            self.model.selected(0).1,
            Protocol::Resp2,
            "HELLO without a version changes nothing"
        );
        Ok(())
    }
}
