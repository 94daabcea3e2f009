//! Bake files and compose files: targets and groups, resolved.
