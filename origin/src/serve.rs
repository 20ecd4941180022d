//! Serves the files of the current release.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::encoding::{self, Coding};
use crate::origin::Origin;
use crate::release::{Asset, Lookup, Release};
use crate::reply;
use crate::respond::{Selected, respond, respond_with_status};
use crate::site_path::url_path;

/// Which release the response is from.
pub const X_RELEASE: HeaderName = HeaderName::from_static("x-release");

const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Answers a request for a file.
pub async fn file(State(origin): State<Arc<Origin>>, method: Method, uri: Uri, request: HeaderMap) -> Response {
    match method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return allow(reply::text(StatusCode::NO_CONTENT, "")),
        _ => return allow(reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS\n")),
    }
    let release = origin.release();
    let serving = Serving { origin: &origin, release: &release, method: &method, request: &request };
    let mut response = match release.find(uri.path()) {
        Lookup::Found(asset) => serving.found(asset).await,
        Lookup::NeedsSlash { folder, page } => serving.redirect(&folder, uri.query(), page),
        Lookup::Missing => serving.missing().await,
    };
    response.headers_mut().insert(X_RELEASE, release.name.header_value());
    response
}

fn allow(mut response: Response) -> Response {
    response.headers_mut().insert(ALLOW, ALLOWED);
    response
}

struct Serving<'a> {
    origin: &'a Origin,
    release: &'a Release,
    method: &'a Method,
    request: &'a HeaderMap,
}

impl Serving<'_> {
    async fn found(&self, asset: &Asset) -> Response {
        match self.coding(asset).and_then(|coding| self.select(asset, coding, &asset.cache_control)) {
            Some(selected) => respond(self.method, self.request, selected).await,
            None => {
                let mut response = reply::text(StatusCode::NOT_ACCEPTABLE, "only br, gzip or identity\n");
                response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
                response
            }
        }
    }

    /// RFC 9110 §15.4.9. Cached and purged like the page that it leads to.
    fn redirect(&self, folder: &str, query: Option<&str>, page: &Asset) -> Response {
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        if let Ok(location) = HeaderValue::from_str(&format!("{}{query}", url_path(folder))) {
            response.headers_mut().insert(LOCATION, location);
        }
        response.headers_mut().extend(self.cache_fields(page, &page.cache_control));
        response.headers_mut().remove(VARY);
        response
    }

    /// An error page disregards a refusal of all codings: there's no better answer than the page itself.
    async fn missing(&self) -> Response {
        let cache_control = &self.origin.policy().cache_control.not_found;
        let page = self.release.not_found_page();
        let selected =
            page.and_then(|page| self.select(page, self.coding(page).unwrap_or(Coding::Identity), cache_control));
        if let Some(selected) = selected {
            return respond_with_status(self.method, StatusCode::NOT_FOUND, selected).await;
        }
        let mut response = reply::text(StatusCode::NOT_FOUND, "not found\n");
        response.headers_mut().insert(CACHE_CONTROL, cache_control.clone());
        response
    }

    /// None when the client refuses every coding of a file that has several (RFC 9110 §15.5.7). Where there is
    /// nothing to choose from, `Accept-Encoding` is disregarded, as §12.1 permits.
    fn coding(&self, asset: &Asset) -> Option<Coding> {
        match asset.is_negotiated() {
            true => encoding::negotiate(self.request, |coding| asset.representation(coding).is_some()),
            false => Some(Coding::Identity),
        }
    }

    fn select(&self, asset: &Asset, coding: Coding, cache_control: &HeaderValue) -> Option<Selected> {
        let representation = asset.representation(coding)?.clone();
        let mut content_fields = HeaderMap::from_iter([(CONTENT_TYPE, asset.content_type.clone())]);
        if let Some(token) = coding.token() {
            content_fields.insert(CONTENT_ENCODING, HeaderValue::from_static(token));
        }
        Some(Selected { representation, content_fields, cache_fields: self.cache_fields(asset, cache_control) })
    }

    fn cache_fields(&self, asset: &Asset, cache_control: &HeaderValue) -> HeaderMap {
        let mut fields = HeaderMap::from_iter([(CACHE_CONTROL, cache_control.clone())]);
        if asset.is_negotiated() {
            fields.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if let Some(tags) = &asset.tags {
            fields.insert(&self.origin.policy().tags.header, tags.clone());
        }
        fields
    }
}
