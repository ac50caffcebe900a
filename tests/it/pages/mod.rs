//! The pool's dashboard in a real browser: Debian's Chromium, driven by the scripts in `tests/browser/`.

mod browser;
mod plain;
