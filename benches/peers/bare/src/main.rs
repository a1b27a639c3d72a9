//! `bare LISTEN UPSTREAM`: Pingora with nothing but `upstream_peer`. `h2c` after that makes it speak HTTP/2 without TLS
//! too, `CERTIFICATE KEY` make it speak TLS.

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare(String);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0.as_str(), false, String::new())))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (listen, upstream, more) = match arguments.as_slice() {
        [listen, upstream, more @ ..] if matches!(more, [] | ["h2c"] | [_, _]) => (*listen, *upstream, more),
        _ => {
            eprintln!(
                "usage: bare LISTEN UPSTREAM [h2c | CERTIFICATE KEY], such as bare 127.0.0.1:8100 127.0.0.1:8099"
            );
            std::process::exit(2);
        }
    };
    let conf = ServerConf { threads: 1, work_stealing: false, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(upstream.to_owned()));
    match more {
        [certificate, key] => {
            let mut settings = TlsSettings::intermediate(certificate, key).expect("a certificate and its key");
            settings.enable_h2();
            service.add_tls_with_settings(listen, None, settings);
        }
        _ => service.add_tcp(listen),
    }
    if more == ["h2c"] {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        service.app_logic_mut().expect("a service that has not begun").server_options = Some(options);
    }
    server.add_service(service);
    server.run_forever();
}
