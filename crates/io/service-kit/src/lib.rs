//! Clock, configuration, telemetry, health, shutdown and the drive loop.
#![deny(missing_docs)]
