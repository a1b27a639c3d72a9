//! Where the profile has its fields, compiled.

use std::collections::HashMap;

use crate::body::rewrite::html::check_selector;
use crate::masking::{FieldId, Places, Step};
use crate::policy::problem::Problems;
use crate::policy::profile::{FieldFile, ProfileFile};
use crate::policy::yaml::join;

/// Reports what is wrong with the fields of a profile.
pub(super) fn check(profile: &ProfileFile, problems: &mut Problems) {
    let mut names: HashMap<String, &str> = HashMap::new();
    for (name, file) in profile.fields.iter() {
        let path = join("fields", name);
        for (index, own) in file.names.iter().enumerate() {
            if let Some(other) = names.insert(own.to_ascii_lowercase(), name).filter(|other| *other != name) {
                let wrong = format!("\"{own}\" is a name of {other} already; a name can be of one field only");
                problems.error(format!("{path}.names[{index}]"), wrong);
            }
        }
        if [&file.names, &file.json, &file.css].iter().all(|list| list.is_empty()) {
            problems.error(path.clone(), "says nowhere where it is; write names:, json: or css:");
        }
        for (index, text) in file.json.iter().enumerate() {
            if let Err(wrong) = steps(text) {
                problems.error(format!("{path}.json[{index}]"), wrong);
            }
        }
        for (index, text) in file.css.iter().enumerate() {
            if let Err(wrong) = check_selector(text) {
                problems.error(
                    format!("{path}.css[{index}]"),
                    format!("\"{text}\" is no selector that can be used: {wrong}"),
                );
            }
        }
    }
}

impl FieldFile {
    /// Adds the places of the field. What is wrong with them is reported by the check of the profile.
    pub fn add_to(&self, field: FieldId, places: &mut Places) {
        let lower = |name: &String| name.to_ascii_lowercase().into_boxed_str();
        places.names.extend(self.names.iter().map(|name| (lower(name), field)));
        places.paths.extend(self.json.iter().filter_map(|text| Some((steps(text).ok()?, field))));
        places.css.extend(self.css.iter().map(|css| (css.as_str().into(), field)));
        places.base64.extend(self.base64.iter().map(lower));
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let wrong = || format!("\"{text}\" is no path; write /customer/phone, or /results/*/phone for any of a list");
    let inner = text.strip_prefix('/').filter(|inner| !inner.is_empty()).ok_or_else(wrong)?;
    let step = |part: &str| match part {
        "*" => Step::Any,
        key => Step::Key(key.replace("~1", "/").replace("~0", "~").into()),
    };
    Ok(inner.split('/').map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(steps("/a/*/b~1c").unwrap(), [Step::Key("a".into()), Step::Any, Step::Key("b/c".into())]);
        assert!(steps("a/b").is_err() && steps("/").is_err());
    }
}
