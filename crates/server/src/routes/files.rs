//! Files: upsert, read, list, search, passages, copy.

use crate::app::{Answer, Call};
use crate::auth;
use crate::body;
use crate::error::ApiError;
use crate::wire::{Fields, FileBody, FilePatchBody, HitBody, Meta, PassageBody, UpsertBody, new_passages};
use quarry_kb::{File, FileSort, ListFiles, PageRequest, Search};
use quarry_types::Scope;
use serde_json::json;

/// Makes file bodies for one request.
struct Shown {
    base: String,
    state: std::sync::Arc<crate::app::State>,
}

impl Shown {
    fn of(call: &Call) -> Self {
        Self { base: call.base_url(), state: call.state.clone() }
    }

    fn file<'a>(&self, scope: &'a Scope, file: &'a File) -> FileBody<'a> {
        let url = format!("{}{}", self.base, self.state.signer.content_path(scope.bot(), file));
        FileBody::new(scope.bot(), file, url)
    }
}

/// `upsertFile`.
pub(crate) async fn upsert(call: Call) -> Answer {
    let (shown, scope) = (Shown::of(&call), call.scope()?.clone());
    let UpsertBody(input) = UpsertBody::parse(call.object().await?)?;
    let file = shown.state.kb.upsert_file(&scope, input).await?;
    let upload = format!("{}{}", shown.base, shown.state.signer.upload_path(scope.bot(), &file));
    body::json(&json!({ "file": shown.file(&scope, &file).with_upload(upload) }))
}

/// `getFile`.
pub(crate) async fn get(call: Call) -> Answer {
    let scope = call.scope()?;
    let file = call.state.kb.file(scope, call.matched.param(0)).await?;
    body::json(&json!({ "file": Shown::of(&call).file(scope, &file) }))
}

/// `listFiles`.
pub(crate) async fn list(call: Call) -> Answer {
    let scope = call.scope()?;
    let (sort, newest_first) = match call.query.text("sortField") {
        None | Some("createdAt") => (FileSort::CreatedAt, true),
        Some("updatedAt") => (FileSort::UpdatedAt, true),
        Some("key") => (FileSort::Key, false),
        Some("size") => (FileSort::Size, false),
        Some("status") => (FileSort::Status, false),
        Some(other) => {
            let message =
                format!("sortField must be key, size, createdAt, updatedAt or status, got {other:?}");
            return Err(ApiError::query(message));
        }
    };
    let descending = match call.query.text("sortDirection") {
        None => newest_first,
        Some("asc") => false,
        Some("desc") => true,
        Some(other) => {
            return Err(ApiError::query(format!("sortDirection must be asc or desc, got {other:?}")));
        }
    };
    let ids = call.query.list("ids");
    if ids.len() > 50 {
        return Err(ApiError::query("ids may hold at most 50 ids; ask in several calls"));
    }
    let query = ListFiles {
        page: call.query.page(1_000)?,
        sort,
        descending,
        tags: call.query.tags("tags")?,
        ids: (!ids.is_empty()).then_some(ids),
        indexed: call.query.boolean("indexed")?,
    };
    let page = call.state.kb.list_files(scope, query).await?;
    let shown = Shown::of(&call);
    let files: Vec<FileBody> = page.items.iter().map(|file| shown.file(scope, file)).collect();
    body::json(&json!({ "files": files, "meta": Meta { next_token: page.next } }))
}

/// `updateFileMetadata`.
pub(crate) async fn update(call: Call) -> Answer {
    let (shown, scope, id) = (Shown::of(&call), call.scope()?.clone(), call.matched.param(0).to_owned());
    let FilePatchBody(patch) = FilePatchBody::parse(call.object().await?)?;
    let file = shown.state.kb.update_file(&scope, &id, patch).await?;
    body::json(&json!({ "file": shown.file(&scope, &file) }))
}

/// `deleteFile`.
pub(crate) async fn delete(call: Call) -> Answer {
    call.state.kb.delete_file(call.scope()?, call.matched.param(0)).await?;
    body::empty()
}

/// `copyFile`, also into another bot the caller may act for.
pub(crate) async fn copy(call: Call) -> Answer {
    let (shown, from) = (Shown::of(&call), call.scope()?.clone());
    let to = if call.headers.contains_key("x-destination-bot-id") {
        let caller = call.caller()?;
        let to = auth::scope(caller, auth::named_bot(&call.headers, "x-destination-bot-id")?)?;
        call.state.check_bot(caller, &to).await?;
        to
    } else {
        from.clone()
    };
    let (id, key) = (call.matched.param(0).to_owned(), call.matched.param(1).to_owned());
    let fields = body::optional_object(&call.head.headers, call.body, body::FILES_CAP).await?;
    let overwrite = Fields::new(fields).boolean("overwrite")?.unwrap_or(false);
    let file = shown.state.kb.copy_file(&from, &id, &to, &key, overwrite).await?;
    body::json(&json!({ "file": shown.file(&to, &file) }))
}

/// `listFileTags`.
pub(crate) async fn tag_names(call: Call) -> Answer {
    let page = call.state.kb.tag_names(call.scope()?, call.query.page(1_000)?).await?;
    body::json(&json!({ "tags": page.items, "meta": Meta { next_token: page.next } }))
}

/// `listFileTagValues`.
pub(crate) async fn tag_values(call: Call) -> Answer {
    let page = call.query.page(1_000)?;
    let page = call.state.kb.tag_values(call.scope()?, call.matched.param(0), page).await?;
    body::json(&json!({ "values": page.items, "meta": Meta { next_token: page.next } }))
}

/// `searchFiles`.
pub(crate) async fn search(call: Call) -> Answer {
    let query = &call.query;
    let text =
        query.text("query").ok_or_else(|| ApiError::query("query is missing; send what to search for"))?;
    let flag = |name: &str| Ok::<_, ApiError>(query.boolean(name)?.unwrap_or(false));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both checked to be small")]
    let search = Search {
        query: text.to_owned(),
        tags: query.tags("tags")?,
        bases: None,
        files: None,
        context_depth: query.number("contextDepth", 0, 10)?.unwrap_or(1) as u32,
        limit: query.number("limit", 1, 50)?.unwrap_or(20) as usize,
        consolidate: flag("consolidate")?,
        include_breadcrumb: flag("includeBreadcrumb")?,
        with_context: flag("withContext")?,
        explain: flag("explain")?,
    };
    let hits = call.state.kb.search(call.scope()?, search).await?;
    let passages: Vec<HitBody> = hits.iter().map(HitBody::from).collect();
    body::json(&json!({ "passages": passages }))
}

/// `listFilePassages`.
pub(crate) async fn passages(call: Call) -> Answer {
    let mut page: PageRequest = call.query.page(200)?;
    let limit = call.query.number("limit", 1, 200)?;
    if let (Some(limit), None) = (limit, call.query.text("pageSize")) {
        page.size = usize::try_from(limit).unwrap_or(20);
    }
    let page = call.state.kb.passages(call.scope()?, call.matched.param(0), page).await?;
    let passages: Vec<PassageBody> = page.items.iter().map(PassageBody::from).collect();
    body::json(&json!({ "passages": passages, "meta": Meta { next_token: page.next } }))
}

/// `setFilePassages`.
pub(crate) async fn set_passages(call: Call) -> Answer {
    let (kb, scope, id) = (call.state.kb.clone(), call.scope()?.clone(), call.matched.param(0).to_owned());
    let passages = new_passages(call.object().await?)?;
    kb.set_passages(&scope, &id, passages).await?;
    body::empty()
}
