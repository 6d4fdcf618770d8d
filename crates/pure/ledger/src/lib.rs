//! Positions, average cost, fees, realised and unrealised P&L.
#![deny(missing_docs)]
