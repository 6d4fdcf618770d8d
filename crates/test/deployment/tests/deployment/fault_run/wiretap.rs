//! A tap on the wire between the router and the exchange's calls: so that the test knows what must be shown nowhere.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes everything on, and keeps it.
pub(crate) struct Wiretap {
    address: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Wiretap {
    /// Listens on a free port in front of `http://HOST:PORT`. Its threads end with the test's process.
    pub(crate) fn before(url: &str) -> Self {
        let behind = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // Where the exchange is gone, the caller sees its connection end.
                let Ok(exchange) = TcpStream::connect(&behind) else { continue };
                let both = (caller.try_clone().unwrap(), exchange.try_clone().unwrap());
                pass_on(caller, exchange, &kept);
                pass_on(both.1, both.0, &kept);
            }
        });
        Self { address, heard }
    }

    /// Gives the address to call instead.
    pub(crate) fn url(&self) -> String {
        self.address.clone()
    }

    /// Gives every signature and every token that passed.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let heard = self.heard.lock().unwrap();
        let text = String::from_utf8_lossy(&heard);
        let signs = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("api-sign").then(|| value.trim().to_owned())
        });
        let tokens = text.split("\"token\":\"").skip(1).filter_map(|rest| {
            let (token, _) = rest.split_once('"')?;
            Some(token.to_owned())
        });
        signs.chain(tokens).collect()
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, heard: &Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut bytes = [0; 16_384];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            // One chunk never splits a header of a call: calls are small and written at once.
            heard.lock().unwrap().extend_from_slice(&bytes[..count]);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        // Either side may have gone first.
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
