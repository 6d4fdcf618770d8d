//! The inputs and effects that only an ingestor has, and their bytes in a flight recording.
//!
//! Layout: one byte for the variant, then its fields in order: connection (u16), time (i64), text (u32 length,
//! then UTF-8), all little-endian.

use remora_domain::Timestamp;
use remora_machine::{LocalCodec, LocalCodecError};
use remora_venue_api::{ConnId, FeedInput, LinkCommand};

/// Is something that happened to the venue's connections.
#[derive(Clone, Debug)]
pub struct IngestorInput(pub FeedInput);

/// Is an effect on the venue's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestorEffect(pub LinkCommand);

impl LocalCodec for IngestorInput {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match &self.0 {
            FeedInput::Start => bytes.push(0),
            FeedInput::Connected { conn } => put(bytes, 1, *conn),
            FeedInput::Frame { conn, receive_time, text } => {
                put(bytes, 2, *conn);
                bytes.extend_from_slice(&receive_time.as_ns().to_le_bytes());
                put_text(bytes, text);
            }
            FeedInput::Disconnected { conn, detail } => {
                put(bytes, 3, *conn);
                put_text(bytes, detail);
            }
            FeedInput::SessionEnded => bytes.push(4),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError> {
        let mut reader = Reader { what: "ingestor input", rest: bytes };
        let input = match reader.byte()? {
            0 => FeedInput::Start,
            1 => FeedInput::Connected { conn: reader.conn()? },
            2 => FeedInput::Frame {
                conn: reader.conn()?,
                receive_time: reader.time()?,
                text: reader.text()?,
            },
            3 => FeedInput::Disconnected { conn: reader.conn()?, detail: reader.text()? },
            4 => FeedInput::SessionEnded,
            other => return Err(reader.refuse(format!("variant {other}, want 0 to 4"))),
        };
        reader.end()?;
        Ok(Self(input))
    }
}

impl LocalCodec for IngestorEffect {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match &self.0 {
            LinkCommand::Connect { conn, url } => {
                put(bytes, 0, *conn);
                put_text(bytes, url);
            }
            LinkCommand::Send { conn, text } => {
                put(bytes, 1, *conn);
                put_text(bytes, text);
            }
            LinkCommand::Close { conn } => put(bytes, 2, *conn),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, LocalCodecError> {
        let mut reader = Reader { what: "ingestor effect", rest: bytes };
        let effect = match reader.byte()? {
            0 => LinkCommand::Connect { conn: reader.conn()?, url: reader.text()? },
            1 => LinkCommand::Send { conn: reader.conn()?, text: reader.text()? },
            2 => LinkCommand::Close { conn: reader.conn()? },
            other => return Err(reader.refuse(format!("variant {other}, want 0 to 2"))),
        };
        reader.end()?;
        Ok(Self(effect))
    }
}

fn put(bytes: &mut Vec<u8>, variant: u8, conn: ConnId) {
    bytes.push(variant);
    bytes.extend_from_slice(&conn.get().to_le_bytes());
}

/// Appends text. Frames are bounded far below 4 GiB where they enter; longer text would be cut.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    let kept = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.extend_from_slice(text.as_bytes().get(..kept).unwrap_or_default());
}

struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl Reader<'_> {
    fn refuse(&self, problem: String) -> LocalCodecError {
        LocalCodecError { what: self.what, problem }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], LocalCodecError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.refuse(format!("{} bytes left, want {N}", self.rest.len()))),
        }
    }

    fn byte(&mut self) -> Result<u8, LocalCodecError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn conn(&mut self) -> Result<ConnId, LocalCodecError> {
        self.take().map(u16::from_le_bytes).map(ConnId::new)
    }

    fn time(&mut self) -> Result<Timestamp, LocalCodecError> {
        self.take().map(i64::from_le_bytes).map(Timestamp::from_ns)
    }

    fn text(&mut self) -> Result<String, LocalCodecError> {
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).unwrap_or(usize::MAX);
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                let text = std::str::from_utf8(head);
                text.map(str::to_owned).map_err(|cause| self.refuse(cause.to_string()))
            }
            None => Err(self.refuse(format!("{} bytes left, want {length}", self.rest.len()))),
        }
    }

    fn end(&self) -> Result<(), LocalCodecError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(self.refuse(format!("{more} bytes too many"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs() -> impl Strategy<Value = FeedInput> {
        let conn = any::<u16>().prop_map(ConnId::new);
        prop_oneof![
            Just(FeedInput::Start),
            Just(FeedInput::SessionEnded),
            conn.clone().prop_map(|conn| FeedInput::Connected { conn }),
            (conn.clone(), any::<i64>(), "\\PC{0,60}").prop_map(|(conn, t, text)| {
                FeedInput::Frame { conn, receive_time: Timestamp::from_ns(t), text }
            }),
            (conn, "\\PC{0,60}")
                .prop_map(|(conn, detail)| FeedInput::Disconnected { conn, detail }),
        ]
    }

    fn effects() -> impl Strategy<Value = LinkCommand> {
        let conn = any::<u16>().prop_map(ConnId::new);
        prop_oneof![
            (conn.clone(), "\\PC{0,60}").prop_map(|(conn, url)| LinkCommand::Connect { conn, url }),
            (conn.clone(), "\\PC{0,60}").prop_map(|(conn, text)| LinkCommand::Send { conn, text }),
            conn.prop_map(|conn| LinkCommand::Close { conn }),
        ]
    }

    proptest! {
        #[test]
        fn an_input_is_read_back_as_it_was(input in inputs()) {
            let mut bytes = Vec::new();
            IngestorInput(input.clone()).encode(&mut bytes);
            let back = IngestorInput::decode(&bytes).unwrap();
            prop_assert_eq!(format!("{:?}", back.0), format!("{input:?}"));
            // A shorter or longer copy is refused, whatever it would have meant.
            prop_assert!(IngestorInput::decode(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            prop_assert!(IngestorInput::decode(&bytes).is_err());
        }

        #[test]
        fn an_effect_is_read_back_as_it_was(effect in effects()) {
            let (mut bytes, effect) = (Vec::new(), IngestorEffect(effect));
            effect.encode(&mut bytes);
            prop_assert_eq!(IngestorEffect::decode(&bytes).unwrap(), effect);
        }

        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = IngestorInput::decode(&bytes);
            let _ = IngestorEffect::decode(&bytes);
        }
    }
}
