//! One client of the control socket.

use std::io;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::gate::{Client, Gate};
use super::{Asked, Request, Response};
use crate::supervisor::history::Following;

/// Longest request, bytes.
const REQUEST_MAX: u64 = 64 * 1024;
/// How long a client may take to send its request or to read the answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take, a reload with new modules to compile in particular.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);

/// Answers a client, and tells it the events for as long as it follows them.
pub(super) async fn serve<F>(client: UnixStream, gate: &Gate, deliver: F) -> io::Result<()>
where
    F: Fn(Asked),
{
    let uid = client.peer_cred()?.uid();
    let (reader, mut writer) = client.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_MAX));
    timeout(CLIENT_TIMEOUT, reader.read_line(&mut line)).await??;
    let client = match gate.enter(uid) {
        Ok(client) => client,
        Err(refusal) => return answer(&mut writer, &Response::Refused(refusal)).await,
    };
    let request: Request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            let error = Response::Error(format!("not a request: {error}"));
            return answer(&mut writer, &error).await;
        }
    };
    if let Err(refusal) = gate.permits(&client, &request) {
        return answer(&mut writer, &Response::Refused(refusal)).await;
    }
    if let Request::Events { last, follow: true } = request {
        let (sender, following) = oneshot::channel();
        deliver(Asked::Follow(last, sender));
        return match timeout(ANSWER_TIMEOUT, following).await? {
            Ok(following) => {
                let may_not_any_more = async {
                    match client {
                        Client::Owner => std::future::pending().await,
                        Client::Reader { .. } => gate.changed().await,
                    }
                };
                tokio::select! {
                    told = tell(reader, &mut writer, following) => told,
                    () = may_not_any_more => Ok(()),
                }
            }
            Err(_) => answer(&mut writer, &stopping()).await,
        };
    }
    let (sender, response) = oneshot::channel();
    deliver(Asked::Once(request, sender));
    let response = timeout(ANSWER_TIMEOUT, response).await?;
    answer(&mut writer, &response.unwrap_or_else(|_| stopping())).await
}

/// Tells the events until the client goes or is too slow. Only this task waits for it.
async fn tell(
    mut reader: impl AsyncRead + Unpin,
    writer: &mut (impl AsyncWrite + Unpin),
    following: Following,
) -> io::Result<()> {
    let Following { last, mut live } = following;
    for event in last {
        let event = Response::Event(Box::new((*event).clone()));
        write(writer, &event).await?;
    }
    let mut rest = [0; 1];
    loop {
        let event = tokio::select! {
            event = live.recv() => event,
            // It says nothing more; its end is all that can come.
            _ = reader.read(&mut rest) => return Ok(()),
        };
        match event {
            Ok(event) => write(writer, &Response::Event(Box::new((*event).clone()))).await?,
            Err(RecvError::Lagged(lost)) => return write(writer, &Response::Lost(lost)).await,
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

fn stopping() -> Response {
    Response::Error("the daemon is stopping".to_owned())
}

async fn answer(writer: &mut (impl AsyncWrite + Unpin), response: &Response) -> io::Result<()> {
    timeout(CLIENT_TIMEOUT, write(writer, response)).await?
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(message)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;
    use crate::event::Happening;
    use crate::supervisor::history::History;

    fn happen(history: &mut History, count: usize) {
        for number in 0..count {
            let level = number.to_string();
            history.happened(Happening::LogLevel { level });
        }
    }

    /// A client that does not read takes what the socket holds and no more; it is told how many it lost. Those who tell never
    /// wait for it.
    #[tokio::test]
    async fn a_client_that_is_too_slow_is_cut_off_and_told_what_it_lost() {
        let mut history = History::new();
        happen(&mut history, 3);
        let following = history.follow(2);
        // Room for less than one event.
        let (client, server) = duplex(16);
        let (server_reader, mut server_writer) = tokio::io::split(server);
        let (done, mut is_done) = oneshot::channel();
        let telling = tokio::spawn(async move {
            let told = tell(server_reader, &mut server_writer, following).await;
            let _ = done.send(told.is_ok());
        });
        tokio::task::yield_now().await;
        happen(&mut history, 5_000);
        assert_eq!(is_done.try_recv(), Err(TryRecvError::Empty));
        let mut lines = BufReader::new(client).lines();
        let mut told = 0;
        let lost = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("it is told the end");
            let response = serde_json::from_str(&line).unwrap();
            if let Response::Lost(lost) = response {
                break lost;
            }
            assert!(matches!(response, Response::Event(_)), "{response:?}");
            told += 1;
        };
        telling.await.unwrap();
        assert_eq!(is_done.await, Ok(true));
        assert_eq!(told, 2, "those from before");
        assert_eq!(lost, 5_000 - 1_024);
    }

    #[tokio::test]
    async fn a_client_that_goes_is_forgotten() {
        let history = History::new();
        let following = history.follow(2);
        let (client, server) = duplex(16);
        let (server_reader, mut server_writer) = tokio::io::split(server);
        drop(client);
        tell(server_reader, &mut server_writer, following)
            .await
            .unwrap();
    }
}
