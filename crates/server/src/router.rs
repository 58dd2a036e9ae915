//! The table of routes: method and raw path to [`Route`] and decoded parameters.
//!
//! Paths are matched before decoding and every segment is decoded exactly once, so a key may hold
//! `%2F`. For one method, static segments beat parameters from left to right; a sibling of another
//! method never shadows a match (`POST /v1/files/tags/x` is a copy although `GET` there is not).

use axum::http::Method;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Open,
    /// Whoever holds a valid signature (or the content is public); checked by the route.
    Signed,
    /// A token and `x-bot-id`.
    Bot,
    /// A token; `x-bot-id` is not needed.
    Token,
    /// The admin token.
    Admin,
}

macro_rules! routes {
    ($($route:ident $method:ident $access:ident $pattern:literal;)*) => {
        /// One operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are the operations' own")]
        pub enum Route { $($route),* }

        impl Route {
            /// Every route with its method, path pattern and access.
            pub const ALL: &'static [(Route, &'static str, &'static str, Access)] = &[
                $((Route::$route, stringify!($method), $pattern, Access::$access)),*
            ];

            /// A stable name for logs and metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$route => stringify!($route)),* }
            }

            /// Who may call it.
            #[must_use]
            pub fn access(self) -> Access {
                match self { $(Self::$route => Access::$access),* }
            }
        }
    };
}

routes! {
    Healthz GET Open "/healthz";
    Readyz GET Open "/readyz";
    Metrics GET Open "/metrics";
    OpenApi GET Open "/openapi.json";

    UpsertFile PUT Bot "/v1/files";
    ListFiles GET Bot "/v1/files";
    SearchFiles GET Bot "/v1/files/search";
    ListFileTags GET Bot "/v1/files/tags";
    ListFileTagValues GET Bot "/v1/files/tags/{tag}/values";
    CreateKnowledgeBase POST Bot "/v1/files/knowledge-bases";
    ListKnowledgeBases GET Bot "/v1/files/knowledge-bases";
    UpdateKnowledgeBase PUT Bot "/v1/files/knowledge-bases/{id}";
    DeleteKnowledgeBase DELETE Bot "/v1/files/knowledge-bases/{id}";
    GetFile GET Bot "/v1/files/{id}";
    UpdateFileMetadata PUT Bot "/v1/files/{id}";
    DeleteFile DELETE Bot "/v1/files/{id}";
    ListFilePassages GET Bot "/v1/files/{id}/passages";
    SetFilePassages PUT Bot "/v1/files/{id}/passages";
    CopyFile POST Bot "/v1/files/{idOrKey}/{destinationKey}";

    ListTables GET Bot "/v1/tables";
    CreateTable POST Bot "/v1/tables";
    GetOrCreateTable POST Bot "/v1/tables/{table}";
    GetTable GET Bot "/v1/tables/{table}";
    UpdateTable PUT Bot "/v1/tables/{table}";
    DeleteTable DELETE Bot "/v1/tables/{table}";
    RenameTableColumn PUT Bot "/v1/tables/{table}/column";
    DuplicateTable POST Bot "/v1/tables/{table}/duplicate";
    ExportTable GET Bot "/v1/tables/{table}/export";
    ImportTable POST Bot "/v1/tables/{table}/import";
    GetTableJobs GET Bot "/v1/tables/{table}/jobs";
    GetTableRow GET Bot "/v1/tables/{table}/row";
    FindTableRows POST Bot "/v1/tables/{table}/rows/find";
    CreateTableRows POST Bot "/v1/tables/{table}/rows";
    UpdateTableRows PUT Bot "/v1/tables/{table}/rows";
    UpsertTableRows POST Bot "/v1/tables/{table}/rows/upsert";
    DeleteTableRows POST Bot "/v1/tables/{table}/rows/delete";

    Introspect POST Token "/v1/admin/introspect";
    GetMultipleUsages GET Token "/v1/admin/usages/multiple";
    GetUsage GET Token "/v1/admin/usages/{id}";
    ListUsageHistory GET Token "/v1/admin/usages/{id}/history";
    ListUsageActivity GET Token "/v1/admin/usages/{id}/activity";
    ListUsageActivityDaily GET Token "/v1/admin/usages/{id}/daily-activity";
    QuotaCompletion GET Token "/v1/admin/workspaces/usages/quota-completion";
    GetWorkspaceQuota GET Token "/v1/admin/workspaces/{id}/quota";
    ListWorkspaceQuotas GET Token "/v1/admin/workspaces/{id}/quotas";
    ListWorkspaceUsages GET Token "/v1/admin/workspaces/{id}/usages";
    BreakDownUsageByBot GET Token "/v1/admin/workspaces/{id}/usages/by-bot";
    ChangeAiSpendQuota PUT Token "/v1/admin/quotas/ai-spend";

    PutUpload PUT Signed "/v1/quarry/upload/{bot}/{file}";
    GetContent GET Signed "/v1/quarry/content/{bot}/{file}";
    Answer POST Bot "/v1/quarry/answer";
    StreamAnswer POST Bot "/v1/quarry/answer/stream";
    ListQueries GET Bot "/v1/quarry/queries";
    ClearQueries DELETE Bot "/v1/quarry/queries";
    GetQueryLog GET Bot "/v1/quarry/queries/settings";
    SetQueryLog PUT Bot "/v1/quarry/queries/settings";
    ListUnmatchedQueries GET Bot "/v1/quarry/queries/no-match";
    ExportQueries GET Bot "/v1/quarry/queries/export/{part}";
    GetQuery GET Bot "/v1/quarry/queries/{id}";
    RemoveQuery DELETE Bot "/v1/quarry/queries/{id}";
    RateQuery PUT Bot "/v1/quarry/queries/{id}/feedback";
    InterpretWords POST Bot "/v1/quarry/tables/{table}/filter";
    ListSelectors GET Bot "/v1/quarry/tables/{table}/selectors";
    GetSelector GET Bot "/v1/quarry/tables/{table}/selectors/{name}";
    PutSelector PUT Bot "/v1/quarry/tables/{table}/selectors/{name}";
    DeleteSelector DELETE Bot "/v1/quarry/tables/{table}/selectors/{name}";
    GetFileText GET Bot "/v1/quarry/files/{id}/text";
    GetFileFacts GET Bot "/v1/quarry/files/{id}/facts";
    ExportTableAs POST Bot "/v1/quarry/tables/{table}/export";
    GetTableJob GET Bot "/v1/quarry/tables/{table}/jobs/{job}";
    CancelTableJob DELETE Bot "/v1/quarry/tables/{table}/jobs/{job}";
    Status GET Bot "/v1/quarry/status";
    ListJobs GET Bot "/v1/quarry/jobs";
    WatchJobs GET Bot "/v1/quarry/jobs/events";
    CancelJob DELETE Bot "/v1/quarry/jobs/{id}";
    CreateSource POST Bot "/v1/quarry/sources";
    ListSources GET Bot "/v1/quarry/sources";
    GetSource GET Bot "/v1/quarry/sources/{id}";
    RefreshSource POST Bot "/v1/quarry/sources/{id}/refresh";
    DeleteSource DELETE Bot "/v1/quarry/sources/{id}";
    ListSourcePages GET Bot "/v1/quarry/sources/{id}/pages";
    ShowQuota GET Bot "/v1/quarry/quota";
    RecountQuota POST Admin "/v1/quarry/quota/recount";
    ListActivity GET Bot "/v1/quarry/activity";
    GetBotWebhook GET Bot "/v1/quarry/bots/webhook";
    SetBotWebhook PUT Bot "/v1/quarry/bots/webhook";
    RemoveBotWebhook DELETE Bot "/v1/quarry/bots/webhook";
    RecomputeTable POST Bot "/v1/quarry/tables/{table}/recompute";
    ListTokens GET Admin "/v1/quarry/tokens";
    CreateToken POST Admin "/v1/quarry/tokens";
    DeleteToken DELETE Admin "/v1/quarry/tokens/{id}";
}

/// A matched route with its decoded parameters, in the order of the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    /// The operation.
    pub(crate) route: Route,
    /// The values of the pattern's `{…}` segments.
    pub(crate) params: Vec<String>,
}

impl Matched {
    /// The n-th parameter; every pattern's count is fixed, so a missing one reads as empty.
    #[must_use]
    pub(crate) fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }
}

/// Why nothing matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoMatch {
    /// No route has this path.
    UnknownPath,
    /// The path exists with these methods only.
    WrongMethod(Vec<&'static str>),
    /// A segment is not percent-encoded UTF-8.
    BadEncoding,
}

/// Finds the route of a raw (still encoded) path.
///
/// # Errors
/// See [`NoMatch`].
pub(crate) fn find(method: &Method, raw_path: &str) -> Result<Matched, NoMatch> {
    let trimmed = raw_path.strip_suffix('/').unwrap_or(raw_path);
    let segments: Vec<&str> = trimmed.split('/').skip(1).collect();
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut best: Option<(Vec<bool>, Route, &'static str)> = None;
    let mut others = Vec::new();
    for &(route, known, pattern, _) in Route::ALL {
        let Some(statics) = match_pattern(pattern, &segments) else { continue };
        if known != wanted {
            if !others.contains(&known) {
                others.push(known);
            }
            continue;
        }
        if best.as_ref().is_none_or(|(so_far, _, _)| statics > *so_far) {
            best = Some((statics, route, pattern));
        }
    }
    let Some((_, route, pattern)) = best else {
        return Err(if others.is_empty() { NoMatch::UnknownPath } else { NoMatch::WrongMethod(others) });
    };
    let params = pattern
        .split('/')
        .skip(1)
        .zip(&segments)
        .filter(|(piece, _)| piece.starts_with('{'))
        .map(|(_, raw)| decode(raw).ok_or(NoMatch::BadEncoding))
        .collect::<Result<_, _>>()?;
    Ok(Matched { route, params })
}

/// Which segments are static, when the pattern fits.
fn match_pattern(pattern: &str, segments: &[&str]) -> Option<Vec<bool>> {
    let pieces: Vec<&str> = pattern.split('/').skip(1).collect();
    if pieces.len() != segments.len() {
        return None;
    }
    pieces
        .iter()
        .zip(segments)
        .map(|(piece, raw)| {
            let parameter = piece.starts_with('{');
            let fits = if parameter { !raw.is_empty() } else { piece == raw };
            fits.then_some(!parameter)
        })
        .collect()
}

/// Percent-decodes once; `None` when an escape is broken or the bytes are not UTF-8.
#[must_use]
pub(crate) fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes everything but unreserved characters.
#[must_use]
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn hit(method: Method, path: &str) -> (Route, Vec<String>) {
        let matched = find(&method, path).unwrap();
        (matched.route, matched.params)
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn static_segments_win_within_one_method() {
        assert_eq!(hit(Method::GET, "/v1/files/search").0, Route::SearchFiles);
        assert_eq!(hit(Method::GET, "/v1/files/tags").0, Route::ListFileTags);
        assert_eq!(
            hit(Method::GET, "/v1/files/tags/a%20b/values"),
            (Route::ListFileTagValues, words(&["a b"]))
        );
        assert_eq!(hit(Method::POST, "/v1/files/X/passages"), (Route::CopyFile, words(&["X", "passages"])));
        assert_eq!(hit(Method::POST, "/v1/files/tags/y"), (Route::CopyFile, words(&["tags", "y"])));
        assert_eq!(hit(Method::PUT, "/v1/files/tags"), (Route::UpdateFileMetadata, words(&["tags"])));
        assert_eq!(hit(Method::PUT, "/v1/files/knowledge-bases/passages").0, Route::UpdateKnowledgeBase);
        assert_eq!(hit(Method::GET, "/v1/admin/usages/multiple").0, Route::GetMultipleUsages);
        assert_eq!(
            hit(Method::GET, "/v1/admin/workspaces/usages/quota-completion").0,
            Route::QuotaCompletion
        );
        assert_eq!(hit(Method::GET, "/v1/tables/").0, Route::ListTables);
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(hit(Method::GET, "/v1/files/folder%2Fa%20b.txt").1, words(&["folder/a b.txt"]));
        assert_eq!(hit(Method::GET, "/v1/files/a%253Ab").1, words(&["a%3Ab"]));
        assert_eq!(hit(Method::GET, "/v1/files/%E2%82%AC+").1, words(&["€+"]));
        assert_eq!(find(&Method::GET, "/v1/files/%ff"), Err(NoMatch::BadEncoding));
        assert_eq!(find(&Method::GET, "/v1/files/%2"), Err(NoMatch::BadEncoding));
    }

    #[test]
    fn misses_say_which_kind() {
        assert_eq!(find(&Method::GET, "/v1/nothing"), Err(NoMatch::UnknownPath));
        assert_eq!(find(&Method::GET, "/"), Err(NoMatch::UnknownPath));
        assert_eq!(find(&Method::GET, "/v1/files//passages"), Err(NoMatch::UnknownPath));
        assert_eq!(find(&Method::PATCH, "/v1/tables/T/rows"), Err(NoMatch::WrongMethod(vec!["POST", "PUT"])));
    }

    proptest! {
        #[test]
        fn every_key_survives_the_path(key in "\\PC{1,40}") {
            let path = format!("/v1/files/{}", encode(&key));
            prop_assume!(!["search", "tags", "knowledge-bases"].contains(&key.as_str()));
            prop_assert_eq!(hit(Method::GET, &path), (Route::GetFile, vec![key]));
        }

        #[test]
        fn any_path_is_answered(path in "/\\PC{0,60}") {
            let _ = find(&Method::GET, &path);
        }
    }
}
