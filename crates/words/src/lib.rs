//! Plain words to filter JSON.
