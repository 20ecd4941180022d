//! Checks that a `Cache-Control` value from a policy says what its author meant (RFC 9111 §5.2).

use http::HeaderValue;

/// Directives whose argument is a number of seconds (RFC 9111 §5.2.2, RFC 5861).
const IN_SECONDS: [&str; 4] = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];

/// Why a value is no `Cache-Control` that caches agree on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// Not `name` or `name=argument`.
    #[error("`{0}` is not a directive")]
    NotADirective(String),
    /// The argument must be whole seconds.
    #[error("`{0}` needs a number of whole seconds, such as `{0}=60`")]
    NotSeconds(String),
}

/// Reads a list of directives, separated by commas.
pub fn parse(text: &str) -> Result<HeaderValue, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::Empty);
    }
    for directive in text.split(',').map(str::trim) {
        let (name, argument) = match directive.split_once('=') {
            Some((name, argument)) => (name, Some(argument)),
            None => (directive, None),
        };
        let is_argument = argument.is_none_or(|argument| is_token(argument) || is_quoted(argument));
        if !is_token(name) || !is_argument {
            return Err(Fault::NotADirective(directive.to_owned()));
        }
        let is_seconds = argument.is_some_and(|argument| argument.parse::<u32>().is_ok());
        if IN_SECONDS.iter().any(|known| name.eq_ignore_ascii_case(known)) && !is_seconds {
            return Err(Fault::NotSeconds(name.to_owned()));
        }
    }
    HeaderValue::from_str(text.trim()).map_err(|_| Fault::NotADirective(text.to_owned()))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_quoted(text: &str) -> bool {
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(|inner| inner.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for good in ["no-store", "public, max-age=60", " private=\"set-cookie\" ", "max-age=0,must-revalidate", "x=y"] {
            assert_eq!(parse(good).map(|value| value.as_bytes().to_vec()), Ok(good.trim().as_bytes().to_vec()));
        }
        let not_a_directive = |text: &str| Fault::NotADirective(text.to_owned());
        for (bad, fault) in [
            ("", Fault::Empty),
            ("  ", Fault::Empty),
            ("public,", not_a_directive("")),
            ("public max-age=60", not_a_directive("public max-age=60")),
            ("max-age=60; public", not_a_directive("max-age=60; public")),
            ("max-age=", not_a_directive("max-age=")),
            ("no-store\nx", not_a_directive("no-store\nx")),
            ("x=\"é\"", not_a_directive("x=\"é\"")),
            ("max-age", Fault::NotSeconds("max-age".to_owned())),
            ("max-age=1m", Fault::NotSeconds("max-age".to_owned())),
            ("S-MaxAge=-1", Fault::NotSeconds("S-MaxAge".to_owned())),
        ] {
            assert_eq!(parse(bad), Err(fault), "{bad}");
        }
    }
}
