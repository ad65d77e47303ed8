//! The program as a whole.

mod inputs_agree;
