//! A question on its way: over UDP, again when nobody answers, and over TCP when the answer does not fit.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use super::super::net::dial::unreachable;
use super::refusal;
use crate::bindings::imports::net;

/// Bytes of a datagram. Without EDNS a server sends at most 512 (RFC 1035 section 4.2.1), with whatever it believes more.
const DATAGRAM_MAX: usize = 4096;

/// How often a question goes to one server within its share of the time: a lost datagram is no verdict.
const ATTEMPTS: u32 = 3;

/// Not asked again sooner, however short the time is: a server across an ocean takes longer.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(150);

/// Asks one server after the other until one answers. The time that is left is shared by those not asked yet.
pub(super) async fn ask(
    servers: &[SocketAddr],
    question: &Query,
    deadline: Instant,
) -> Result<Message, net::Error> {
    let mut failure = net::Error::Unreachable;
    for (&server, unasked) in servers.iter().zip((1..=servers.len()).rev()) {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(unasked).unwrap_or(u32::MAX);
        match timeout(share, ask_one(server, question, share)).await {
            Ok(Ok(answer)) => return Ok(answer),
            // That there is no such name is an answer too.
            Ok(Err(net::Error::NameNotFound)) => return Err(net::Error::NameNotFound),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = net::Error::Timeout,
        }
    }
    Err(failure)
}

async fn ask_one(
    server: SocketAddr,
    question: &Query,
    share: Duration,
) -> Result<Message, net::Error> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(question.clone());
    let asked = Asked {
        server,
        bytes: message
            .to_vec()
            .map_err(|error| net::Error::Io(error.to_string()))?,
        message,
    };
    let mut answer = asked.over_udp(share).await?;
    if answer.metadata.truncation {
        answer = asked.over_tcp().await?;
    }
    match refusal(answer.metadata.response_code, server) {
        None => Ok(answer),
        Some(error) => Err(error),
    }
}

/// A question to a server.
struct Asked {
    server: SocketAddr,
    message: Message,
    bytes: Vec<u8>,
}

impl Asked {
    async fn over_udp(&self, share: Duration) -> Result<Message, net::Error> {
        let any: IpAddr = match self.server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // A port of the kernel's choice, for each question another one; and connected, so that nothing comes from
        // elsewhere, and a server that is not there is known at once.
        let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
        socket.connect(self.server).await.map_err(failed)?;
        let patience = (share / ATTEMPTS).max(SHORTEST_ATTEMPT);
        loop {
            socket.send(&self.bytes).await.map_err(failed)?;
            if let Ok(answered) = timeout(patience, self.datagram(&socket)).await {
                return answered;
            }
        }
    }

    /// The first datagram that answers this question. Others are late, or somebody's guess (RFC 5452 section 9.1).
    async fn datagram(&self, socket: &UdpSocket) -> Result<Message, net::Error> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(failed)?;
            if let Some(answer) = self.answer(&buffer[..length])? {
                return Ok(answer);
            }
        }
    }

    /// RFC 1035 section 4.2.2.
    async fn over_tcp(&self) -> Result<Message, net::Error> {
        let mut stream = TcpStream::connect(self.server).await.map_err(failed)?;
        let length = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        let question = [&length.to_be_bytes(), self.bytes.as_slice()].concat();
        stream.write_all(&question).await.map_err(failed)?;
        let length = stream.read_u16().await.map_err(failed)?;
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        self.answer(&answer)?.ok_or_else(|| self.no_answer())
    }

    /// `None` for what answers something else.
    fn answer(&self, bytes: &[u8]) -> Result<Option<Message>, net::Error> {
        let id = self.message.metadata.id.to_be_bytes();
        if !bytes.starts_with(&id) {
            return Ok(None);
        }
        let answer = Message::from_vec(bytes).map_err(|_| self.no_answer())?;
        let meant = answer.queries == self.message.queries
            // A server that could not read the question cannot repeat it.
            || answer.queries.is_empty() && answer.metadata.response_code != ResponseCode::NoError;
        let is_answer = answer.metadata.message_type == MessageType::Response && meant;
        Ok(is_answer.then_some(answer))
    }

    fn no_answer(&self) -> net::Error {
        net::Error::Io(format!("{} sent what is no answer in DNS", self.server))
    }
}

fn failed(error: io::Error) -> net::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return net::Error::Io("the server ended the connection without an answer".to_owned());
    }
    unreachable(&error)
}
