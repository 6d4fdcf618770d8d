//! Tests of the session: joined with the simulated exchange in virtual time, both as machines.

mod faults;
mod hostile;
mod life;
mod phases;
mod router;
mod stress;
mod trade;
mod world;
