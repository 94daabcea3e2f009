//! A client of BuildKit builders: solves, the services of a session, progress.
