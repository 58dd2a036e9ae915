use super::*;
use proptest::prelude::*;
use quarry_types::PassageKind;

fn read(source: &[u8]) -> Vec<(PassageKind, u8, String)> {
    let mut builder = Builder::new(&Limits::default());
    extract(source, &Limits::default(), &mut builder).unwrap();
    let document = builder.finish();
    assert!(document.is_consistent());
    let blocks = document.blocks.iter().zip(document.block_texts());
    blocks.map(|(block, text)| (block.kind, block.level, text.to_owned())).collect()
}

#[test]
fn text_styles_lists_and_tables() {
    let source = br"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Times;}}
{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\*\cs10 Default Font;}}{\info{\title The Guide}{\author Me}}
{\header\pard Page head\par}
\pard\s1 Safety\par
\pard Caf\'e9 \u8364?20 \f1\'cf\'f0\f0  and {\v hidden}{\b bold}\line next\~line \{x\} {\field{\*\fldinst HYPERLINK x}{\fldrslt link}}\par
{\listtext\tab 1.}\pard\ls1\ilvl0 First item\par
{\listtext\tab 2.}\pard\ls1\ilvl0 Second item\par
\pard {\*\unknown gone}{\pict 0011}Para.\par
\trowd\cellx100\cellx200\pard\intbl A\cell B\cell\row
\trowd\cellx100\cellx200\pard\intbl 1\cell 2\cell\row
\pard After \u-10179?\u-8704? end\par}";
    use PassageKind::{List, Paragraph, Table, Title};
    let expected = [
        (Title, 1, "Safety"),
        (Paragraph, 0, "Café €20 Пр and bold\nnext line {x} link"),
        (List, 0, "1. First item\n2. Second item"),
        (Paragraph, 0, "Para."),
        (Table, 0, "A | B\n1 | 2"),
        (Paragraph, 0, "After 😀 end"),
    ];
    let blocks = read(source);
    let blocks: Vec<_> = blocks.iter().map(|(kind, level, text)| (*kind, *level, text.as_str())).collect();
    assert_eq!(blocks, expected);
}

#[test]
fn what_the_document_says_about_itself_is_kept() {
    let source =
        br"{\rtf1{\info{\creatim\yr2003\mo5\dy21\hr9}{\revtim\yr0\mo0\dy0}{\nofpages12}}\pard Text\par}";
    let mut builder = Builder::new(&Limits::default());
    extract(source, &Limits::default(), &mut builder).unwrap();
    let document = builder.finish();
    assert_eq!(document.metadata.created.as_deref(), Some("2003-05-21"));
    assert_eq!((document.metadata.modified, document.pages), (None, Some(12)));
}

#[test]
fn merged_cells_keep_the_columns() {
    let source = br"{\rtf1
\trowd\cellx1000\cellx3000\cellx4000\pard\intbl Model\cell Size\cell Weight\cell\row
\trowd\cellx1000\cellx2000\cellx3000\cellx4000\pard\intbl A1\cell 60\cell 85\cell 45 kg\cell
{\trowd\cellx1000\cellx2000\cellx3000\cellx4000\row}\pard\intbl A2\cell 61\cell 86\cell 46 kg\cell\row
\trowd\clmgf\cellx1000\clmrg\cellx2000\clmrg\cellx3000\cellx4000\pard\intbl All\cell\cell\cell 9 kg\cell\row
\pard After\par}";
    let blocks = read(source);
    let table = "Model | Size |  | Weight\nA1 | 60 | 85 | 45 kg\nA2 | 61 | 86 | 46 kg\nAll |  |  | 9 kg";
    let expected = [(PassageKind::Table, table), (PassageKind::Paragraph, "After")];
    assert_eq!(blocks.iter().map(|(kind, _, text)| (*kind, text.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn nesting_is_bounded() {
    let deep = [b"{\\rtf1 ".as_slice(), &b"{".repeat(100_000)].concat();
    let mut builder = Builder::new(&Limits::default());
    let error = extract(&deep, &Limits::default(), &mut builder).unwrap_err();
    assert!(error.to_string().contains("nested too deep"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_source_is_read(source in r"\{\\rtf1 ([{}]|\\(par|cell|row|trowd|cellx-?[0-9]{1,10}|intbl|u-?[0-9]{1,6}|uc[0-9]|bin[0-9]{1,3}|s1|'[0-9a-f]{2}|\*|pard|ls1|ilvl[0-9]|line|fonttbl|stylesheet|f[0-9])|[a-z \n]){0,60}") {
        let _ = extract(source.as_bytes(), &Limits::default(), &mut Builder::new(&Limits::default()));
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let source = [b"{\\rtf1 ".as_slice(), &bytes].concat();
        let _ = extract(&source, &Limits::default(), &mut Builder::new(&Limits::default()));
    }
}
