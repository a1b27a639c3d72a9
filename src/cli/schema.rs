//! `deskgate schema`: the formats, for editors.

use std::io::Write;
use std::process::ExitCode;

use crate::policy::file::PolicyFile;
use crate::policy::profile::ProfileFile;
use crate::policy::schema;

/// The JSON Schema of policies, or of profiles.
#[must_use]
pub fn text(profile: bool) -> String {
    let schema = if profile { schema::of::<ProfileFile>() } else { schema::of::<PolicyFile>() };
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// Prints it.
pub fn print(profile: bool) -> ExitCode {
    let _ = std::io::stdout().write_all(text(profile).as_bytes());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_schemas_are_the_ones_of_the_types() {
        for (profile, name) in [(false, "policy"), (true, "profile")] {
            let path = format!("{}/config/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let published = std::fs::read_to_string(&path).unwrap();
            // Not assert_eq!: nobody wants to read two schemas in a terminal.
            assert!(
                published == super::text(profile),
                "config/{name}.schema.json: write it anew with `deskgate schema`"
            );
        }
    }
}
