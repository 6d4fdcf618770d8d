//! Order-router core: approved orders to the venue; owns order state.
#![deny(missing_docs)]
