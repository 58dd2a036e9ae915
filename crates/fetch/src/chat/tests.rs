#![allow(clippy::unwrap_used)]
//! A model's endpoint on loopback, well-behaved and not.

use super::*;
use crate::Settings;
use crate::testing::{Server, Step, answer};
use serde_json::{Value, json};

const HELLO: &str = r#"{"choices":[{"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":7,"completion_tokens":2}}"#;

fn model(server: &Server, change: impl FnOnce(&mut ChatSettings)) -> ChatModel {
    let mut settings = ChatSettings::new(server.url("/v1/"), "tiny", Some("sk-secret".to_owned()));
    settings.backoff = Duration::from_millis(1);
    change(&mut settings);
    ChatModel::new(Client::new(Settings::default()).unwrap(), settings).unwrap()
}

fn ask() -> Vec<Message> {
    vec![Message::system("be brief"), Message::user("hi"), Message::assistant("ho")]
}

/// A server that gives one answer after the other, the last one for ever.
async fn answering(list: Vec<Vec<u8>>) -> Server {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |_| {
        let at = turn.fetch_add(1, Ordering::Relaxed).min(list.len() - 1);
        vec![Step::Send(list[at].clone())]
    })
    .await
}

fn json_answer(status: &str, body: &str) -> Vec<u8> {
    answer(status, "content-type: application/json\r\n", body)
}

fn events(text: &str) -> Vec<u8> {
    answer("200 OK", "content-type: text/event-stream; charset=utf-8\r\n", text)
}

/// The JSON body of a request the server saw.
fn sent(server: &Server, at: usize) -> Value {
    let seen = server.seen.lock();
    serde_json::from_str(seen[at].split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn collected(model: &ChatModel) -> Result<(String, (u64, u64)), Error> {
    let mut deltas = model.stream(&ask(), &Options::default()).await?;
    let mut text = String::new();
    while let Some(piece) = deltas.next().await? {
        assert!(!piece.is_empty());
        text.push_str(&piece);
    }
    assert_eq!(deltas.next().await.unwrap(), None, "an ended stream stays so");
    Ok((text, deltas.usage()))
}

#[tokio::test]
async fn a_completion_is_asked_for_and_read() {
    let server = answering(vec![json_answer("200 OK", HELLO)]).await;
    let model = model(&server, |_| {});
    let options = Options { max_tokens: Some(9), temperature: Some(0.5), json: true };
    // The future must be able to move between threads.
    let asked = tokio::spawn({
        let model = model.clone();
        async move { model.complete(&ask(), &options).await }
    });
    let found = asked.await.unwrap().unwrap();
    assert_eq!((found.text.as_str(), found.prompt_tokens, found.completion_tokens), ("Hello", 7, 2));
    assert!(!found.is_cut && model.name() == "tiny");
    let seen = server.seen.lock()[0].clone();
    assert!(seen.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("authorization: Bearer sk-secret\r\n"), "{seen}");
    let expected = json!({
        "model": "tiny",
        "messages": [
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": "hi" },
            { "role": "assistant", "content": "ho" },
        ],
        "max_tokens": 9,
        "temperature": 0.5,
        "response_format": { "type": "json_object" },
    });
    assert_eq!(sent(&server, 0), expected);
    assert!(!format!("{model:?}").contains("sk-secret"));
}

#[tokio::test]
async fn busy_and_broken_endpoints_are_asked_again() {
    let busy = answer("429 Too Many Requests", "retry-after: 0\r\n", "slow down");
    for first in [
        busy,
        answer("503 Busy", "", ""),
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec(),
        Vec::new(),
    ] {
        let server = answering(vec![first.clone(), first, json_answer("200 OK", HELLO)]).await;
        let found = model(&server, |_| {}).complete(&ask(), &Options::default()).await.unwrap();
        assert_eq!((found.text.as_str(), server.count()), ("Hello", 3));
    }
    let server = answering(vec![answer("500 Oops", "", r#"{"error":{"message":"out of memory"}}"#)]).await;
    let error = model(&server, |_| {}).complete(&ask(), &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Model { status: 500, .. }), "{error}");
    assert!(error.to_string().contains("out of memory"), "{error}");
    assert_eq!((error.kind(), server.count()), (quarry_types::ErrorKind::Busy, 3));
}

#[tokio::test]
async fn a_wait_longer_than_the_patience_is_not_begun() {
    let server = answering(vec![answer("429 Slow", "retry-after: 3600\r\n", "")]).await;
    let begun = Instant::now();
    let error = model(&server, |_| {}).complete(&ask(), &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Model { status: 429, .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60) && server.count() == 1);
}

#[tokio::test]
async fn refusals_are_final_and_keep_the_key() {
    for (status, named) in
        [("401 No", "llm_api_key"), ("404 No", "llm_model"), ("400 No", "sk-"), ("302 Go", "llm_url")]
    {
        let body = r#"{"error":{"message":"bad  key\n sk-secret"}}"#;
        let server = answering(vec![json_answer(status, body)]).await;
        let error =
            model(&server, |_| {}).complete(&ask(), &Options::default()).await.unwrap_err().to_string();
        assert_eq!(error.contains(named), named != "sk-", "{error}");
        assert!(!error.contains("sk-secret") && server.count() == 1, "{error}");
        assert_eq!(error.contains("bad key …"), matches!(status, "404 No" | "400 No"), "{error}");
    }
    let long = answer("400 No", "", "long words ".repeat(100_000));
    let server = answering(vec![long]).await;
    let error = model(&server, |_| {}).complete(&ask(), &Options::default()).await.unwrap_err();
    assert!(error.to_string().chars().count() < 400);
}

#[tokio::test]
async fn another_model_of_the_endpoint_may_be_named() {
    let server = answering(vec![json_answer("200 OK", HELLO), json_answer("404 No", "no such model")]).await;
    let tiny = model(&server, |_| {});
    let large = tiny.named("large:v2");
    large.complete(&ask(), &Options::default()).await.unwrap();
    assert_eq!(
        (&sent(&server, 0)["model"], large.name(), tiny.name()),
        (&json!("large:v2"), "large:v2", "tiny")
    );
    let error = large.complete(&ask(), &Options::default()).await.unwrap_err().to_string();
    assert!(error.contains("large:v2") && !error.contains("llm_model"), "{error}");
}

#[tokio::test]
async fn malformed_answers_are_named() {
    let bodies =
        ["", "null", "[]", "{}", "{\"choices\":[]}", r#"{"choices":[{}]}"#, "<html>", r#"{"error":"no"}"#];
    for body in bodies {
        let server = answering(vec![json_answer("200 OK", body)]).await;
        let error = model(&server, |_| {}).complete(&ask(), &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::ModelAnswer { .. }), "{body}: {error}");
        assert_eq!(server.count(), 1, "{body}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_patience() {
    let server = Server::start(|_| vec![Step::Silence]).await;
    let brief = model(&server, |settings| settings.timeout = Duration::from_millis(200));
    let error = brief.complete(&ask(), &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert_eq!(
        (error.to_string().as_str(), server.count()),
        ("the language model took longer than 0.2 s to finish", 1)
    );
    let gone = ChatSettings::new("http://127.0.0.1:9/v1", "m", None);
    let gone = ChatSettings { backoff: Duration::ZERO, ..gone };
    let error = ChatModel::new(Client::new(Settings::default()).unwrap(), gone).unwrap();
    let error = error.complete(&ask(), &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && !error.to_string().contains("127.0"), "{error}");
    let nobody = model(&server, |settings| {
        settings.max_concurrent = 1;
        settings.timeout = Duration::from_millis(200);
    });
    let held = nobody.slot(nobody.deadline()).await.unwrap();
    let error = nobody.complete(&ask(), &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(held);
}

#[tokio::test]
async fn options_a_server_does_not_know_are_left_out_and_remembered() {
    let no =
        |what: &str| json_answer("400 Bad Request", &json!({ "error": { "message": what } }).to_string());
    let server = answering(vec![
        no("'response_format.type' must be 'json_schema' or 'text'"),
        no("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        no("Unsupported value: 'temperature' does not support 0"),
        json_answer("200 OK", HELLO),
    ])
    .await;
    let model = model(&server, |_| {});
    let options = Options { max_tokens: Some(9), temperature: Some(0.0), json: true };
    model.complete(&ask(), &options).await.unwrap();
    model.complete(&ask(), &options).await.unwrap();
    assert_eq!(server.count(), 5);
    for at in [3, 4] {
        let body = sent(&server, at);
        assert_eq!(body["max_completion_tokens"], 9);
        for gone in ["response_format", "max_tokens", "temperature"] {
            assert!(body.get(gone).is_none(), "{gone}");
        }
    }
    let stubborn =
        answering(vec![no("max_tokens is wrong"), no("max_tokens is wrong"), json_answer("200 OK", HELLO)])
            .await;
    let other = self::model(&stubborn, |_| {});
    assert!(other.complete(&ask(), &options).await.is_err(), "each option is tried once");
    other.complete(&ask(), &options).await.unwrap();
    assert_eq!(sent(&stubborn, 2)["max_tokens"], 9, "what did not help is not remembered");
}

#[tokio::test]
async fn streams_are_joined() {
    let text = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n: ping\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"Hé\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"llo\"},\"finish_reason\":\"stop\"}]}\r\n\r\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
    let server = answering(vec![events(text)]).await;
    assert_eq!(collected(&model(&server, |_| {})).await.unwrap(), ("Héllo".to_owned(), (5, 3)));
    let body = sent(&server, 0);
    assert_eq!((&body["stream"], &body["stream_options"]["include_usage"]), (&json!(true), &json!(true)));

    let whole = answering(vec![json_answer("200 OK", HELLO)]).await;
    assert_eq!(collected(&model(&whole, |_| {})).await.unwrap(), ("Hello".to_owned(), (7, 2)));
    let retried = answering(vec![answer("503 Busy", "", ""), events(text)]).await;
    assert_eq!(collected(&model(&retried, |_| {})).await.unwrap().0, "Héllo");
}

#[tokio::test]
async fn broken_streams_never_pass_for_whole() {
    let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let length = answer("200 OK", "content-type: text/event-stream\r\n", piece);
    let cut = length[..length.len() - 5].to_vec();
    for stream in
        [events(piece), events(&format!("{piece}{error}")), events(&format!("{piece}data: {{\n\n")), cut]
    {
        let server = answering(vec![stream]).await;
        assert!(collected(&model(&server, |_| {})).await.is_err());
    }
    let server = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        vec![Step::Send(head.into()), Step::Repeat(vec![b'x'; 5000])]
    })
    .await;
    let error = collected(&model(&server, |_| {})).await.unwrap_err();
    assert!(matches!(error, Error::ModelAnswer { .. }), "{error}");
    let server = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        vec![Step::Send(head.into()), Step::Silence]
    })
    .await;
    let brief = model(&server, |settings| settings.timeout = Duration::from_millis(300));
    assert!(matches!(collected(&brief).await, Err(Error::Timeout { .. })));
}

#[tokio::test]
async fn a_stream_holds_its_slot_until_it_is_dropped() {
    let server = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        vec![Step::Send(head.into()), Step::Silence]
    })
    .await;
    let one = model(&server, |settings| settings.max_concurrent = 1);
    let held = one.stream(&ask(), &Options::default()).await.unwrap();
    assert_eq!(one.inner.slots.available_permits(), 0);
    drop(held);
    assert_eq!(one.inner.slots.available_permits(), 1);
}

#[test]
fn reasoning_is_left_out_whole_and_however_it_is_cut() {
    for (text, spoken) in [
        ("<think>hm</ok>\n</think>\n\nYes <think>", "Yes <think>"),
        (" \n<think></think>Yes", "Yes"),
        ("<thin ice", "<thin ice"),
        ("<think", "<think"),
        (" plain", " plain"),
        ("<think>endless é", ""),
        ("<think>hm\n</think>\n\nYes", "Yes"),
        ("The mark </think> ends it.", "The mark </think> ends it."),
        ("Write <think> and </think> so.", "Write <think> and </think> so."),
    ] {
        let whole = json!({ "choices": [{ "message": { "content": text } }] });
        assert_eq!(wire::completion(whole.to_string().as_bytes()).unwrap().text, spoken, "{text} whole");
        for size in 1..text.len() {
            let mut reasoning = wire::Reasoning::default();
            let pieces: Vec<char> = text.chars().collect();
            let mut said: String =
                pieces.chunks(size).map(|piece| reasoning.push(&piece.iter().collect::<String>())).collect();
            said.push_str(&reasoning.finish());
            assert_eq!(said, spoken, "{text} in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn a_stream_gives_no_reasoning() {
    let piece = |text: &str| {
        let event = json!({ "choices": [{ "delta": { "content": text }, "finish_reason": "stop" }] });
        format!("data: {event}\n\n")
    };
    let text = format!("{}{}{}data: [DONE]\n\n", piece("<thi"), piece("nk>hm</think>\n"), piece("Yes"));
    let server = answering(vec![events(&text)]).await;
    assert_eq!(collected(&model(&server, |_| {})).await.unwrap().0, "Yes");
    let server = answering(vec![events(&format!("{}data: [DONE]\n\n", piece("<thi")))]).await;
    assert_eq!(collected(&model(&server, |_| {})).await.unwrap().0, "<thi");
}

#[test]
fn json_is_found_in_its_fence() {
    let read = |text: &str| Completion { text: text.to_owned(), ..Completion::default() }.json();
    for text in
        ["{\"a\":1}", " {\"a\":1}\n", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```", "```{\"a\":1}```"]
    {
        assert_eq!(read(text).unwrap(), json!({ "a": 1 }), "{text}");
    }
    for text in ["", "```", "``````", "sure: {\"a\":1}", "{\"a\":"] {
        assert!(read(text).is_err(), "{text}");
    }
    let cut = Completion { text: "{".to_owned(), is_cut: true, ..Completion::default() };
    assert!(cut.json().unwrap_err().to_string().contains("limit"));
}

#[test]
fn contents_in_their_forms() {
    let read = |content: Value| {
        let answer = json!({ "choices": [{ "message": { "content": content }, "finish_reason": "length" }] });
        wire::completion(answer.to_string().as_bytes()).unwrap()
    };
    assert_eq!(read(json!("plain")).text, "plain");
    assert_eq!(
        read(json!([{ "type": "text", "text": "a" }, { "type": "image" }, { "text": "b" }])).text,
        "ab"
    );
    assert_eq!(read(json!(null)).text, "");
    assert!(read(json!("x")).is_cut);
}

#[test]
fn times_to_come_back() {
    assert_eq!(wire::retry_after(" 2 "), Some(Duration::from_secs(2)));
    assert_eq!(wire::retry_after("0.5"), Some(Duration::from_millis(500)));
    assert_eq!(wire::retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    assert!(wire::retry_after("Fri, 06 Nov 2999 08:49:37 GMT").unwrap() > Duration::from_secs(1_000_000));
    for bad in ["", "soon", "-1", "NaN", "inf", "1e300"] {
        assert_eq!(wire::retry_after(bad), None, "{bad}");
    }
}

#[test]
fn settings_are_checked() {
    let fine = ChatSettings::new("http://127.0.0.1:1/v1", "m", None);
    assert!(fine.validate().is_ok());
    assert!(ChatSettings { base_url: "x".into(), ..fine.clone() }.validate().is_err());
    assert!(ChatSettings { model: " ".into(), ..fine.clone() }.validate().is_err());
    for key in ["", "a b", "a\n", "ü"] {
        assert!(ChatSettings { api_key: Some(key.into()), ..fine.clone() }.validate().is_err(), "{key:?}");
    }
    assert!(!format!("{:?}", ChatSettings { api_key: Some("sk-x".into()), ..fine }).contains("sk-x"));
}
