//! The operations: each reads its call, asks one crate below and wraps what comes back.

mod answers;
mod bases;
mod computing;
mod content;
mod files;
mod jobs;
mod ops;
mod quarry;
mod quota;
mod sources;
mod tables;
mod usage;
mod words;
mod work;

pub use ops::OPENAPI;

use crate::app::{Answer, Call};
use crate::router::Route;
use futures::FutureExt;
use futures::future::BoxFuture;

/// Runs the handler of the matched route.
pub(crate) fn dispatch(call: Call) -> BoxFuture<'static, Answer> {
    match call.matched.route {
        Route::Healthz => ops::healthz().boxed(),
        Route::Readyz => ops::readyz(call).boxed(),
        Route::Metrics => ops::metrics(call).boxed(),
        Route::OpenApi => ops::openapi().boxed(),

        Route::UpsertFile => files::upsert(call).boxed(),
        Route::ListFiles => files::list(call).boxed(),
        Route::SearchFiles => files::search(call).boxed(),
        Route::ListFileTags => files::tag_names(call).boxed(),
        Route::ListFileTagValues => files::tag_values(call).boxed(),
        Route::GetFile => files::get(call).boxed(),
        Route::UpdateFileMetadata => files::update(call).boxed(),
        Route::DeleteFile => files::delete(call).boxed(),
        Route::ListFilePassages => files::passages(call).boxed(),
        Route::SetFilePassages => files::set_passages(call).boxed(),
        Route::CopyFile => files::copy(call).boxed(),

        Route::CreateKnowledgeBase => bases::create(call).boxed(),
        Route::ListKnowledgeBases => bases::list(call).boxed(),
        Route::UpdateKnowledgeBase => bases::update(call).boxed(),
        Route::DeleteKnowledgeBase => bases::delete(call).boxed(),

        Route::ListTables => tables::list(call).boxed(),
        Route::CreateTable => tables::create(call).boxed(),
        Route::GetOrCreateTable => tables::get_or_create(call).boxed(),
        Route::GetTable => tables::get(call).boxed(),
        Route::UpdateTable => tables::update(call).boxed(),
        Route::DeleteTable => tables::delete(call).boxed(),
        Route::RenameTableColumn => tables::rename_column(call).boxed(),
        Route::GetTableJobs => jobs::list(call).boxed(),
        Route::DuplicateTable => jobs::duplicate(call).boxed(),
        Route::ExportTable => jobs::export(call).boxed(),
        Route::ImportTable => jobs::import(call).boxed(),
        Route::GetTableRow => tables::row(call).boxed(),
        Route::FindTableRows => tables::find(call).boxed(),
        Route::CreateTableRows => tables::create_rows(call).boxed(),
        Route::UpdateTableRows => tables::update_rows(call).boxed(),
        Route::UpsertTableRows => tables::upsert_rows(call).boxed(),
        Route::DeleteTableRows => tables::delete_rows(call).boxed(),

        Route::Introspect => usage::introspect(call).boxed(),
        Route::GetUsage => usage::one(call).boxed(),
        Route::GetMultipleUsages => usage::several(call).boxed(),
        Route::ListUsageHistory => usage::history(call).boxed(),
        Route::ListUsageActivity => usage::activity(call).boxed(),
        Route::ListUsageActivityDaily => usage::daily(call).boxed(),
        Route::QuotaCompletion => usage::completion(call).boxed(),
        Route::GetWorkspaceQuota => usage::quota(call).boxed(),
        Route::ListWorkspaceQuotas => usage::quotas(call).boxed(),
        Route::ListWorkspaceUsages => usage::workspace(call).boxed(),
        Route::BreakDownUsageByBot => usage::by_bot(call).boxed(),
        Route::ChangeAiSpendQuota => usage::change_ai_spend(call).boxed(),

        Route::PutUpload => content::upload(call).boxed(),
        Route::GetContent => content::download(call).boxed(),
        Route::Answer => answers::answer(call).boxed(),
        Route::StreamAnswer => answers::stream(call).boxed(),
        Route::ListQueries => answers::list_queries(call).boxed(),
        Route::RemoveQuery => answers::remove_query(call).boxed(),
        Route::ClearQueries => answers::clear_queries(call).boxed(),
        Route::GetQueryLog => answers::log_settings(call).boxed(),
        Route::SetQueryLog => answers::set_log_settings(call).boxed(),
        Route::ListUnmatchedQueries => answers::unmatched_queries(call).boxed(),
        Route::ExportQueries => answers::export_queries(call).boxed(),
        Route::GetQuery => answers::get_query(call).boxed(),
        Route::RateQuery => answers::rate_query(call).boxed(),
        Route::InterpretWords => words::filter(call).boxed(),
        Route::ListSelectors => words::list_selectors(call).boxed(),
        Route::GetSelector => words::get_selector(call).boxed(),
        Route::PutSelector => words::put_selector(call).boxed(),
        Route::DeleteSelector => words::delete_selector(call).boxed(),
        Route::GetFileText => quarry::text(call).boxed(),
        Route::GetFileFacts => quarry::facts(call).boxed(),
        Route::ExportTableAs => jobs::export_as(call).boxed(),
        Route::GetTableJob => jobs::get(call).boxed(),
        Route::CancelTableJob => jobs::cancel(call).boxed(),
        Route::Status => quarry::status(call).boxed(),
        Route::ListJobs => work::list(call).boxed(),
        Route::WatchJobs => work::events(call).boxed(),
        Route::CancelJob => work::cancel(call).boxed(),
        Route::CreateSource => sources::create(call).boxed(),
        Route::ListSources => sources::list(call).boxed(),
        Route::GetSource => sources::get(call).boxed(),
        Route::RefreshSource => sources::refresh(call).boxed(),
        Route::DeleteSource => sources::delete(call).boxed(),
        Route::ListSourcePages => sources::pages(call).boxed(),
        Route::ShowQuota => quota::show(call).boxed(),
        Route::RecountQuota => quota::check(call).boxed(),
        Route::ListActivity => quota::activity(call).boxed(),
        Route::GetBotWebhook => computing::webhook(call).boxed(),
        Route::SetBotWebhook => computing::set_webhook(call).boxed(),
        Route::RemoveBotWebhook => computing::remove_webhook(call).boxed(),
        Route::RecomputeTable => computing::recompute(call).boxed(),
        Route::ListTokens => quarry::list_tokens(call).boxed(),
        Route::CreateToken => quarry::create_token(call).boxed(),
        Route::DeleteToken => quarry::delete_token(call).boxed(),
    }
}
