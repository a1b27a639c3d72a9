//! HTTP/2 without TLS, with prior knowledge.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::runtime::Runtime;

use super::Answer;

pub struct H2 {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    to: SocketAddr,
}

/// Method, path, headers, body.
pub type Request<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8]);

impl H2 {
    pub fn connect(to: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender, to }
    }

    /// One request; an error when the stream was reset.
    pub fn send(&mut self, request: Request<'_>) -> Result<Answer, h2::Error> {
        self.send_with(request, http::HeaderMap::new())
    }

    /// The beginning of a request whose body is longer than what is sent of it; it stays open until it is cancelled.
    pub fn begin(&mut self, (method, path, headers, body): Request<'_>) -> h2::SendStream<Bytes> {
        let mut request = http::Request::builder().method(method).uri(format!("http://{}{path}", self.to));
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let (request, body) = (request.body(()).unwrap(), Bytes::copy_from_slice(body));
        let sender = self.sender.clone();
        self.runtime.block_on(async move {
            let (answer, mut stream) = sender.ready().await.unwrap().send_request(request, false).unwrap();
            stream.send_data(body, false).unwrap();
            // Nobody reads the answer; it would end the stream if it were dropped.
            tokio::spawn(answer);
            stream
        })
    }

    /// One request with trailers behind its body.
    pub fn send_with(
        &mut self,
        (method, path, headers, body): Request<'_>,
        trailers: http::HeaderMap,
    ) -> Result<Answer, h2::Error> {
        let uri = format!("http://{}{path}", self.to);
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(()).unwrap();
        let body = Bytes::copy_from_slice(body);
        let sender = self.sender.clone();
        self.runtime.block_on(async move {
            let mut sender = sender.ready().await?;
            let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
            if !body.is_empty() {
                // A refusal may come before the whole body is sent.
                let _ = stream.send_data(body, trailers.is_empty());
            }
            if !trailers.is_empty() {
                let _ = stream.send_trailers(trailers);
            }
            let (head, mut incoming) = answer.await?.into_parts();
            let mut body = Vec::new();
            while let Some(chunk) = incoming.data().await {
                let chunk = chunk?;
                let _ = incoming.flow_control().release_capacity(chunk.len());
                body.extend(chunk);
            }
            let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect();
            Ok(Answer { status: head.status.as_u16(), headers, body })
        })
    }
}
