//! Tests of the session: joined with the simulated exchange in virtual time, both as machines.

mod faults;
mod hostile;
mod life;
mod router;
mod trade;
mod world;
