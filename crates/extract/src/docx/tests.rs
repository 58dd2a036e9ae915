use super::*;
use proptest::prelude::*;
use quarry_types::PassageKind;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn pack(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn document(body: &str) -> String {
    format!("<?xml version=\"1.0\"?><w:document xmlns:w=\"x\"><w:body>{body}</w:body></w:document>")
}

type Blocks = Vec<(PassageKind, u8, String)>;

fn read(parts: &[(&str, &str)]) -> Result<(Blocks, crate::Document), Error> {
    let mut builder = Builder::new(&Limits::default());
    extract(&pack(parts), &Limits::default(), &mut builder)?;
    let document = builder.finish();
    assert!(document.is_consistent());
    let blocks = document.blocks.iter().zip(document.block_texts());
    Ok((blocks.map(|(b, text)| (b.kind, b.level, text.to_owned())).collect(), document))
}

fn p(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

fn item(list: u8, level: u8, text: &str) -> String {
    format!(
        "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{list}\"/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
    )
}

const STYLES: &str = r#"<w:styles xmlns:w="x">
  <w:style w:type="paragraph" w:styleId="Titel"><w:name w:val="Title"/></w:style>
  <w:style w:type="paragraph" w:styleId="b1"><w:name w:val="heading 1"/></w:style>
  <w:style w:type="paragraph" w:styleId="mine"><w:name w:val="My own"/><w:basedOn w:val="b1"/></w:style>
  <w:style w:type="paragraph" w:styleId="out"><w:name w:val="Outlined"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
  <w:style w:type="paragraph" w:styleId="loop"><w:name w:val="a"/><w:basedOn w:val="loop"/></w:style>
</w:styles>"#;

const NUMBERING: &str = r#"<w:numbering xmlns:w="x">
  <w:abstractNum w:abstractNumId="7">
    <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
    <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1%2)"/></w:lvl>
  </w:abstractNum>
  <w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl></w:abstractNum>
  <w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
  <w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>
</w:numbering>"#;

#[test]
fn headers_count_where_there_is_nothing_else() {
    let relations =
        r#"<Relationships><Relationship Id="r1" Type="x/header" Target="header1.xml"/></Relationships>"#;
    let header = r#"<w:hdr xmlns:w="x"><w:p><w:r><w:t>Marlund Appliances</w:t></w:r></w:p></w:hdr>"#;
    let read_body = |body: &str| {
        let body = document(body);
        let parts = [
            ("word/document.xml", body.as_str()),
            ("word/_rels/document.xml.rels", relations),
            ("word/header1.xml", header),
        ];
        read(&parts).unwrap().1.text
    };
    assert_eq!(read_body("<w:p/>"), "Marlund Appliances");
    assert_eq!(read_body(&p("", "A letter")), "A letter");
}

#[test]
fn structure_and_accepted_text() {
    let body = [
        p("Titel", "The manual"),
        p("mine", "Safety"),
        "<w:p><w:r><w:t xml:space=\"preserve\">Keep </w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:r><w:t> &amp; &#233;</w:t><w:br/><w:t>line</w:t><w:footnoteReference w:id=\"2\"/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r></w:p>".to_owned(),
        p("out", "Outline"),
        p("loop", "Looped style."),
        item(1, 0, "first"),
        item(1, 1, "inner"),
        item(1, 0, "second"),
        item(2, 0, "dot"),
        "<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr><w:p><w:r><w:t>Wide</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>C</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>1</w:t></w:r></w:p><w:p><w:r><w:t>one</w:t></w:r></w:p></w:tc><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>3</w:t></w:r></w:p></w:tc></w:tr></w:tbl>".to_owned(),
        "<w:p><w:r><w:t>Before box.</w:t><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>In the box</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>In the box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent><w:t> After.</w:t></w:r></w:p>".to_owned(),
    ]
    .concat();
    let notes = r#"<w:footnotes xmlns:w="x"><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>sep</w:t></w:r></w:p></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
    let (blocks, document) = read(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", r#"<Relationships><Relationship Id="r" Type="http://x/officeDocument" Target="/word/main.xml"/></Relationships>"#),
        ("word/main.xml", &document(&body)),
        ("word/styles.xml", STYLES),
        ("word/numbering.xml", NUMBERING),
        ("word/footnotes.xml", notes),
    ])
    .unwrap();
    use PassageKind::{List, Paragraph, Subtitle, Table, Title};
    let expected = [
        (Title, 1, "The manual"),
        (Subtitle, 2, "Safety"),
        (Paragraph, 0, "Keep new & é\nline"),
        (Paragraph, 0, "A note."),
        (Subtitle, 3, "Outline"),
        (Paragraph, 0, "Looped style."),
        (List, 0, "1. first\n  1a) inner\n2. second\n- dot"),
        (Table, 0, "Wide |  | C\n1 one |  | 3"),
        (Paragraph, 0, "Before box. After."),
        (Paragraph, 0, "In the box"),
    ];
    let blocks: Vec<_> = blocks.iter().map(|(k, l, t)| (*k, *l, t.as_str())).collect();
    assert_eq!(blocks, expected);
    assert_eq!(document.title.as_deref(), Some("The manual"));
}

#[test]
fn hostile_packages_are_refused_by_name() {
    let main = "word/document.xml";
    let refuse = |parts: &[(&str, &str)]| read(parts).unwrap_err();
    let deep = document(&"<w:p>".repeat(10_000));
    assert!(refuse(&[(main, &deep)]).to_string().contains("nested too deep"));
    let typed = format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{}", document(&p("x", "&a;")));
    assert!(refuse(&[(main, &typed)]).to_string().contains("document type"));
    let bomb = document(&"<w:p/>".repeat(1_000_000));
    assert!(matches!(refuse(&[(main, &bomb)]), Error::TooLarge { .. }));
    assert!(matches!(refuse(&[("other.xml", "x")]), Error::Broken { .. }));
    assert!(read(&[(main, "")]).unwrap().0.is_empty());
    let attributes: String = (0..200_000).map(|n| format!(" w:a{n}=\"1\"")).collect();
    let many =
        document(&format!("<w:p><w:pPr><w:pStyle{attributes}/></w:pPr><w:r><w:t>kept</w:t></w:r></w:p>"));
    assert_eq!(read(&[(main, &many)]).unwrap().0[0].2, "kept");
    assert!(matches!(
        extract(b"PK\x03\x04 nothing", &Limits::default(), &mut Builder::new(&Limits::default())),
        Err(Error::Broken { .. })
    ));
}

#[test]
fn text_before_damage_is_kept() {
    let cut = document(&[p("x", "First."), p("x", "Second.")].concat());
    let cut = &cut[..cut.find("Second").unwrap() + 6];
    let cut = format!("{cut}<w:p <<< ");
    let (blocks, document) = read(&[("word/document.xml", &cut)]).unwrap();
    let texts: Vec<_> = blocks.iter().map(|b| b.2.as_str()).collect();
    assert_eq!(texts, ["First.", "Second"]);
    assert_eq!(document.warnings.len(), 1, "{:?}", document.warnings);
}

#[test]
fn field_instructions_and_former_properties_are_no_text() {
    let mark = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let run = |text: &str| format!("<w:r><w:t>{text}</w:t></w:r>");
    let code = |text: &str| format!("<w:r><w:instrText>{text}</w:instrText></w:r>");
    let inner =
        [mark("begin"), code("MERGEFIELD sex"), mark("separate"), run("female"), mark("end")].concat();
    let field = [mark("begin"), code("IF "), inner, code(" = x"), mark("separate"), run("Mrs."), mark("end")];
    let former = "<w:r><w:rPr><w:rPrChange><w:rPr><w:vanish/></w:rPr></w:rPrChange></w:rPr><w:t> Hill</w:t><w:ptab/><w:t>seen</w:t></w:r>";
    let style = "<w:pPr><w:pPrChange><w:pPr><w:pStyle w:val=\"b1\"/></w:pPr></w:pPrChange></w:pPr>";
    let first = format!("<w:p>{style}{}{}{former}</w:p>", run("Dear "), field.concat());
    // A field that is never ended costs some paragraphs, not the rest.
    let open = format!("<w:p>{}</w:p>", mark("begin"));
    let body = [first, open, p("x", "lost").repeat(30), p("x", "kept")].concat();
    let (blocks, _) = read(&[("word/document.xml", &document(&body)), ("word/styles.xml", STYLES)]).unwrap();
    assert_eq!(blocks.first(), Some(&(PassageKind::Paragraph, 0, "Dear Mrs. Hill seen".to_owned())));
    assert_eq!(blocks.last().map(|b| b.2.as_str()), Some("kept"));
}

#[test]
fn long_lists_count_in_every_style() {
    assert_eq!(numbering_sample("upperRoman", 1994), "MCMXCIV");
    assert_eq!(numbering_sample("lowerLetter", 28), "bb");
}

fn numbering_sample(format: &str, n: u32) -> String {
    let text = format!(
        "<w:numbering><w:abstractNum w:abstractNumId=\"1\"><w:lvl w:ilvl=\"0\"><w:start w:val=\"{n}\"/><w:numFmt w:val=\"{format}\"/><w:lvlText w:val=\"%1\"/></w:lvl></w:abstractNum><w:num w:numId=\"5\"><w:abstractNumId w:val=\"1\"/></w:num></w:numbering>"
    );
    Numbering::read(&text, &Limits::default()).unwrap().marker(5, 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_markup_is_read(body in "(<w:(p|r|t|tbl|tr|tc|del|txbxContent|pPr|numPr)>|</w:(p|r|t|tbl|tr|tc|del|txbxContent|pPr)>|<w:(br|tab|gridSpan w:val=\"9\"|numId w:val=\"1\"|ilvl w:val=\"4\")/>|[a-z ]{1,6}|&#[0-9]{1,4};|&[a-z]{2};){0,80}") {
        let _ = read(&[("word/document.xml", &document(&body)), ("word/numbering.xml", NUMBERING)]);
    }

    #[test]
    fn any_bytes_are_refused_or_read(mut bytes in Just(pack(&[("word/document.xml", &document(&p("x", "some text")))])), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = extract(&bytes, &Limits::default(), &mut Builder::new(&Limits::default()));
    }
}
