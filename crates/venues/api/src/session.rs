//! What the sessions of venues share, so that none writes it again: exact numbers and instants from text, the life of a
//! socket and what is sent on it, which symbols are served, what is published of a book, when a book is fetched again,
//! where and when a frame came.
//! Pure; knows no venue.

pub mod connection;
pub mod date;
pub mod error;
pub mod link;
pub mod number;
pub mod published;
pub mod received;
pub mod resync;
pub mod selection;
pub mod time;
