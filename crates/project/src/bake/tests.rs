use super::*;

pub(super) fn read(text: &str) -> (Definition, Input) {
    let files = vec![File { name: "docker-bake.hcl".into(), text: text.into() }];
    let input = Input { files, ..Input::default() };
    (Definition::read(&input).unwrap(), input)
}

fn resolved(text: &str, wanted: &[&str], set: &[&str]) -> Result<Resolved, Error> {
    let (definition, input) = read(text);
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    definition.resolve(&owned(wanted), &owned(set), &input)
}

#[test]
fn a_cycle_of_groups_is_shown_as_a_path() {
    let error = resolved("group \"a\" { targets = [\"b\"] }\ngroup \"b\" { targets = [\"a\"] }", &["a"], &[]).unwrap_err();
    assert_eq!(error.to_string(), "groups contain each other: a -> b -> a");
}

#[test]
fn a_cycle_of_inheritance_is_shown_as_a_path() {
    let error = resolved("target \"a\" { inherits = [\"b\"] }\ntarget \"b\" { inherits = [\"a\"] }", &["a"], &[]).unwrap_err();
    assert_eq!(error.to_string(), "targets inherit from each other: a -> b -> a");
}

#[test]
fn a_target_that_is_not_there_names_the_one_that_was_meant() {
    let error = resolved("target \"release\" {}", &["relaese"], &[]).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean release?"));
}

#[test]
fn an_unknown_attribute_has_its_place() {
    let text = "target \"a\" {\n  platform = [\"linux/amd64\"]\n}\n";
    let input = Input { files: vec![File { name: "f.hcl".into(), text: text.into() }], ..Input::default() };
    let error = Definition::read(&input).unwrap_err();
    let place = error.place().unwrap();
    assert_eq!((place.line, place.text.get(place.mark.clone())), (2, Some("platform")));
    assert_eq!(error.hint().as_deref(), Some("did you mean platforms?"));
}

#[test]
fn variables_that_need_each_other_are_an_error() {
    let text = "variable \"A\" { default = B }\nvariable \"B\" { default = A }";
    let input = Input { files: vec![File { name: "f.hcl".into(), text: text.into() }], ..Input::default() };
    assert_eq!(Definition::read(&input).unwrap_err().to_string(), "A depends on itself: A -> B -> A");
}
