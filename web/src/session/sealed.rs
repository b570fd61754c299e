use cookie::{Cookie, CookieJar};

use super::SessionKeys;

/// Encrypts and authenticates `text` for the cookie `name` (AES-256-GCM; the name is authenticated too, so that
/// one cookie's value is no good in another).
pub(super) fn seal(keys: &SessionKeys, name: &str, text: String) -> Option<String> {
    let mut jar = CookieJar::new();
    jar.private_mut(keys.sealing()?).add(Cookie::new(name.to_owned(), text));
    jar.get(name).map(|cookie| cookie.value().to_owned())
}

/// What was sealed, if one of the keys sealed it for this name and nobody changed it.
pub(super) fn open(keys: &SessionKeys, name: &str, sealed: &str) -> Option<String> {
    keys.all().iter().find_map(|key| {
        let cookie = Cookie::new(name.to_owned(), sealed.to_owned());
        CookieJar::new().private(key).decrypt(cookie).map(|cookie| cookie.value().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn keys(seeds: &[u8]) -> SessionKeys {
        let keys: Vec<String> = seeds.iter().map(|seed| STANDARD.encode([*seed; 64])).collect();
        SessionKeys::parse(&keys.join(",")).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_untouched_and_under_its_name() {
        let keys = keys(&[1]);
        let sealed = seal(&keys, "a", "secret".to_owned()).unwrap();
        assert!(!sealed.contains("secret"));
        assert_eq!(open(&keys, "a", &sealed).as_deref(), Some("secret"));
        assert_eq!(open(&keys, "b", &sealed), None);
        let mut touched = sealed.into_bytes();
        touched[20] ^= 1;
        assert_eq!(open(&keys, "a", &String::from_utf8(touched).unwrap()), None);
    }

    #[test]
    fn a_replaced_key_still_opens_until_it_is_removed() {
        let sealed = seal(&keys(&[1]), "a", "secret".to_owned()).unwrap();
        assert_eq!(open(&keys(&[2, 1]), "a", &sealed).as_deref(), Some("secret"));
        assert_eq!(open(&keys(&[2]), "a", &sealed), None);
        let resealed = seal(&keys(&[2, 1]), "a", "secret".to_owned()).unwrap();
        assert!(open(&keys(&[2]), "a", &resealed).is_some(), "the first key must seal");
    }
}
