//! A program whose standard input and output are the connection.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// So much of what a program complains of is kept.
const MAX_COMPLAINT: usize = 4 << 10;

/// A program that hands a connection on. It ends with the connection; where it ends first, its complaint is the reason.
pub(crate) struct Program {
    name: String,
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
    complaint: Vec<u8>,
}

impl Program {
    pub(crate) fn start(name: &str, arguments: &[String]) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(named)?;
        let lost = || io::Error::other(format!("{name} has no standard streams"));
        let (input, output) = (child.stdin.take().ok_or_else(lost)?, child.stdout.take().ok_or_else(lost)?);
        let errors = child.stderr.take().ok_or_else(lost)?;
        Ok(Self { name: name.to_owned(), _child: child, input, output, errors, complaint: Vec::new() })
    }

    /// Takes what it complains of, so that it never waits for a reader; ready at the end.
    fn poll_complaint(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut bytes = [0; 512];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.errors).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            let room = MAX_COMPLAINT.saturating_sub(self.complaint.len());
            self.complaint.extend(buffer.filled().iter().take(room));
        }
    }

    fn ended(&self) -> io::Error {
        let complaint = String::from_utf8_lossy(&self.complaint);
        let complaint = Some(complaint.trim()).filter(|text| !text.is_empty()).unwrap_or("it said nothing");
        io::Error::new(io::ErrorKind::ConnectionAborted, format!("{} ended: {complaint}", self.name))
    }
}

impl AsyncRead for Program {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let silent = self.poll_complaint(cx);
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        ready!(silent);
        Poll::Ready(Err(self.ended()))
    }
}

impl AsyncWrite for Program {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.input).poll_write(cx, bytes)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                ready!(self.poll_complaint(cx));
                Poll::Ready(Err(self.ended()))
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
