//! A policy that changes while people work.
