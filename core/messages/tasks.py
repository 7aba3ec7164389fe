"""Wording of the tasks room's errors and problems."""

MESSAGES: dict[str, tuple[str, str]] = {
    "file.empty": ("{file} is empty.", "Save it again with at least one row of data."),
    "file.header_only": (
        "{file} has column names but no rows.",
        "Add rows below the first line and upload it again.",
    ),
    "file.no_good_row": (
        "{file} has no usable row; {count} problems were found. The first: {first}",
        "Correct the lines named and upload it again.",
    ),
    "file.unreadable": (
        "{file} cannot be read ({detail}).",
        "Check that the file exists and opens in its own program, then try again.",
    ),
    "file.too_large": ("{file} is larger than {bound} MB.", "Split it into smaller files, or save it as parquet."),
    "file.unpacks_too_large": ("{file} unpacks to more than {bound} MB.", "Split it into smaller files."),
    "file.gzip_broken": (
        "{file} is packed with gzip and ends too early or is damaged ({detail}).",
        "Download or pack it again; nothing of it was used.",
    ),
    "file.unknown_suffix": (
        "{file} ends in {suffix}, which is not a task file.",
        "Use one of: {known}; text files may be packed as .gz.",
    ),
    "file.wrong_suffix": (
        "{file} ends in {expected} but holds {found}.",
        "Give it the ending that fits its content, or save it again in the format you mean.",
    ),
    "file.old_excel": (
        "{file} is in Excel's old .xls format.",
        "Open it in Excel or LibreOffice and save it as .xlsx.",
    ),
    "file.binary": (
        "{file} holds binary data, not text.",
        "Export it as csv, xlsx, json or parquet from its own program.",
    ),
    "file.unknown_encoding": (
        "{file}: there is no encoding named {encoding!r}.",
        "Use for example utf-8, utf-16, gb18030, big5 or cp1252.",
    ),
    "file.nul": (
        "{file}, line {line}: NUL characters were taken out.",
        "Check the row; the program that wrote the file may have damaged it.",
    ),
    "file.broken_bytes": (
        "{file}, line {line}: some bytes are not {encoding} and show as \ufffd.",
        "Choose another encoding, or correct the line in the source.",
    ),
    "file.giant_line": (
        "{file}, line {line} is longer than {bound} million characters.",
        "Check that the file has line breaks between its rows.",
    ),
    "file.giant_cell": (
        "{file}, line {line}, column {column}: the cell has {chars} characters, more than {bound}.",
        "The row was left out; shorten the cell.",
    ),
    "file.many_columns": (
        "{file} has {columns} columns, more than {bound}.",
        "Keep only the columns that the task needs; check that rows and columns are not swapped.",
    ),
    "file.many_rows": (
        "{file} has {rows} rows or more; {bound} are the limit.",
        "Split it, or keep a part of the rows.",
    ),
    "file.bad_delimiter": (
        "{file}: the delimiter {delimiter!r} is not one character.",
        "Give one character, such as , or ;.",
    ),
    "file.ragged": (
        "{file}, line {line}: {found} cells where {expected} were expected.",
        "The row was left out; put quotes around cells that hold the delimiter or a line break.",
    ),
    "file.open_quote": (
        "{file}, line {line}: a quotation mark is opened and never closed.",
        "The line was read as it stands; close the quote, or double it inside a cell.",
    ),
    "file.title_row": (
        "{file}, line {line}: {text!r} stands above the column names and was left out.",
        "Nothing to do, unless it was a row of data.",
    ),
    "file.blank_header": (
        "{file}: column {column} has no name and is called {name}.",
        "Give it a name in the first row.",
    ),
    "file.duplicate_header": (
        "{file}: the column name {name!r} comes twice; column {column} is called {new_name}.",
        "Give every column its own name.",
    ),
    "file.more_problems": (
        "{file}: {count} more problems of the same kinds are not listed.",
        "Correct those listed first and upload the file again.",
    ),
    "file.bad_json": (
        "{file}, line {line}, column {column}: this is not valid JSON ({detail}).",
        "Correct the line; JSON wants double quotes, commas between values and matching brackets.",
    ),
    "file.deep_json": (
        "{file}, line {line}: the JSON is nested deeper than {bound} levels.",
        "Flatten the objects before uploading.",
    ),
    "file.json_no_rows": (
        "{file} holds one JSON object without a list of rows (its keys: {keys}).",
        'Put the rows in a list of objects, such as [{{"text": ..., "label": ...}}].',
    ),
    "file.json_is_jsonl": (
        "{file} holds one object a line, so it was read as JSON Lines.",
        "Nothing to do; the usual ending is .jsonl.",
    ),
    "file.not_an_object": (
        "{file}, line {line}: {found} where an object with named values was expected.",
        'Write every row as {{"column": value, ...}}.',
    ),
    "file.bad_sheet": (
        "{file} is not a readable Excel workbook ({detail}).",
        "Open it in Excel or LibreOffice, save it again as .xlsx and upload that.",
    ),
    "file.zip_not_sheet": (
        "{file} is a zip archive, not an Excel workbook.",
        "Unpack it and upload the files inside.",
    ),
    "file.sheet_bomb": (
        "{file} unpacks to {size} MB from {packed} MB, which no ordinary workbook does.",
        "Save the data as csv or parquet instead.",
    ),
    "file.sheet_locked": ("{file} is protected by a password.", "Save it without a password and upload that."),
    "file.many_sheets": (
        "{file} has {sheets} sheets, more than {bound}.",
        "Save the sheet you need as its own file.",
    ),
    "file.no_such_sheet": ("{file} has no sheet {sheet!r}.", "Its sheets: {known}."),
    "file.other_sheets": (
        "{file}: the sheet {sheet} was read, not {others}.",
        "Choose another sheet if that one is meant.",
    ),
    "file.excel_error": (
        "{file}, row {line}, column {column}: the cell shows {value} and was taken as empty.",
        "Correct the formula in Excel.",
    ),
    "file.bad_parquet": (
        "{file} is not a readable parquet file ({detail}).",
        "Write it again, or export it as csv.",
    ),
    "file.other_columns": (
        "{file} has other columns ({columns}) than the first part ({known}).",
        "All parts of a table need the same columns.",
    ),
    "file.no_column": ("{file} has no column {column!r}.", "Its columns: {known}."),
    "file.one_column": (
        "{file} has no second column that could hold answers (columns: {columns}).",
        "A task needs an input and an answer column; check the delimiter and the header row.",
    ),
    "file.no_input_column": (
        "{file} has no column left that could be the input (columns: {columns}).",
        "Choose the input columns by hand.",
    ),
    "file.took_too_long": (
        "{file} was not read within {seconds} seconds, so reading it was stopped.",
        "Split it into smaller files, or save it as csv or parquet.",
    ),
    "file.too_much_memory": (
        "{file} needs more than {bound} MB of memory to read.",
        "Split it into smaller files, or save it as csv or parquet.",
    ),
    "file.parser_died": (
        "Reading {file} ended unexpectedly ({detail}).",
        "The file may be damaged; save it again from its own program.",
    ),
    "file.no_answer_turn": (
        "{file}, line {line}: the conversation has no answer to a user's turn and was left out.",
        "A conversation needs a user turn followed by an assistant turn.",
    ),
    "guess.target_name": ("{column} is the answer: its name says so.", ""),
    "guess.target_repeated": ("{column} is the answer: it has only {values} different values that come back.", ""),
    "guess.target_last": ("{column} is the answer: it is the last column that says something.", ""),
    "guess.target_pair": ("{column} and {other} are answered together.", ""),
    "guess.split_column": (
        "{column} says which rows are for training and which for the exam; choose splitting by column to follow it.",
        "",
    ),
    "guess.group_column": (
        "{column} is shared by several rows; choose splitting by group to keep them together.",
        "",
    ),
    "guess.weight_column": ("{column} looks like a weight; choose it as weight to let such rows count more.", ""),
    "guess.constant": ("{column} is left out: it is empty or always the same.", ""),
    "guess.identifier": ("{column} is left out: it numbers the rows.", ""),
    "guess.side": ("{column} is left out: it says where the row comes from.", ""),
    "guess.other_answer": (
        "{column} is left out: it looks like another answer and would give the right one away.",
        "",
    ),
    "guess.repeated": ("{column} is left out: it repeats a few short values; add it if it helps.", ""),
    "guess.part_of_other": ("{column} is left out: its text already stands in another input.", ""),
    "guess.kind_classification": ("The answers are a few labels that come back: classification.", ""),
    "guess.kind_multilabel": ("An answer may hold several labels.", ""),
    "guess.kind_extraction": ("The answers list parts of the input: extraction.", ""),
    "guess.kind_question_answering": ("Most answers stand word for word in the input: question answering.", ""),
    "guess.kind_generation": ("The answers are free text: generation.", ""),
    "guess.kind_number": ("The answers are numbers.", ""),
    "template.no_column": ("The template names {{{column}}}, which is not a column.", "Its columns: {known}."),
    "template.shows_answer": (
        "The template shows the answer column {{{column}}} in the prompt.",
        "Take it out of the template, or choose another answer column.",
    ),
    "template.no_input": (
        "The template holds no column, so every prompt would be the same.",
        "Put at least one of these in braces: {known}.",
    ),
    "task.bad_share": (
        "The share for {name} is {value}.",
        "Choose shares from 0 to below 1 that leave some rows for training.",
    ),
    "task.both_roles": ("The column {column} is input and answer at once.", "Choose it for one of the two only."),
    "task.no_column": ("The task has no column {column!r}.", "Its columns: {known}."),
    "task.no_roles": ("The task has no input or no answer column.", "Choose at least one of each."),
    "task.weight_used": (
        "The column {column} is the weight and an input or answer at once.",
        "Choose it for one of them only.",
    ),
    "task.no_token_file": (
        "No tokenizer.json was found or could be read in {path}.",
        "Tokens are estimated until the base model's files are on this machine.",
    ),
    "task.in_test": (
        "{file}: {count} rows ask the same as a row of the test file and were left out of training (lines {lines}, ...).",
        "Nothing to do; they would have made the exam too easy.",
    ),
    "task.empty_answer": (
        "{file}, line {line}: the answer is empty, so the row is not used.",
        "Fill in the answer, or remove the row.",
    ),
    "task.empty_input": (
        "{file}, line {line}: all inputs are empty, so the row is not used.",
        "Fill in the input, or remove the row.",
    ),
    "task.nothing_to_train": (
        "{file} has no row with both an input ({inputs}) and an answer ({targets}).",
        "Check the columns chosen, and that their cells are filled.",
    ),
    "task.none": (
        "Project {project!r} has no task yet.",
        "Upload files on the Tasks page, or load the sample project.",
    ),
    "task.no_examples": ("None of the tasks has an example to train on.", "Add rows, or choose other columns."),
    "task.no_end_token": (
        "The base model's tokenizer has no token that ends a text.",
        "Choose another base model; without it answers would never stop.",
    ),
    "health.empty": ("{count} rows have an empty input or answer and are not used.", "Fill them in, or drop them."),
    "health.few_rows": (
        "There are only {count} rows to practise on.",
        "Add rows; below {bound} the result is mostly luck.",
    ),
    "health.small_exam": (
        "The final exam has only {count} rows, so its score is rough.",
        "Use {bound} rows or more for a score you can rely on.",
    ),
    "health.no_exam": (
        "There is no final exam split, so the result cannot be judged.",
        "Hold back a share of the rows, or upload a test file.",
    ),
    "health.duplicates": (
        "{count} rows repeat an earlier row word for word.",
        "Drop them; they only make the model learn those rows by heart.",
    ),
    "health.conflicts": (
        "{count} rows in {groups} groups ask the same but are answered differently, such as {example!r}: {answers}.",
        "Decide on one answer; the fix keeps the most frequent one.",
    ),
    "health.leaks": (
        "{count} practice rows stand in the check set or the final exam too.",
        "Drop them from practice, or the scores will look better than they are.",
    ),
    "health.near_duplicates": (
        "{count} practice rows are nearly the same as another, such as {one!r} and {other!r}.",
        "Harmless in small numbers; drop them if they crowd out the rest.",
    ),
    "health.near_leaks": (
        "{count} practice rows are nearly the same as a row of the final exam, such as {one!r} and {other!r}.",
        "Drop them from practice for an honest score.",
    ),
    "health.bad_weights": (
        "{count} rows have no usable number in the weight column {column}.",
        "They count as an average row; write a number of 0 or more.",
    ),
    "health.near_leaks_check": (
        "{count} practice rows are nearly the same as a row of the check set, such as {one!r} and {other!r}.",
        "Drop them, or training may stop too late.",
    ),
    "health.near_leak_across": (
        "{count} practice rows of {task} are nearly the same as a final-exam row of {other}, such as {example!r}.",
        "Fine where both tasks ask different things about it; else remove them.",
    ),
    "health.leak_across": (
        "{count} practice rows of {task} have the same input as a final-exam row of {other}, such as {example!r}.",
        "Fine where both tasks ask different things about it; else remove them.",
    ),
    "health.unseen_labels": (
        "{count} labels of the check set or exam never occur in practice: {labels}.",
        "Add practice rows for them, or correct their spelling.",
    ),
    "health.rare_labels": (
        "{count} labels have fewer than {bound} practice rows: {labels}.",
        "Add rows for them, or join them with another label.",
    ),
    "health.uneven_labels": (
        "The labels are uneven: {most!r} has {high} practice rows, {least!r} {low}.",
        "Judge by macro F1, which counts every label the same.",
    ),
    "health.alike_labels": (
        "{count} pairs of labels look like one label spelled in two ways: {pairs}.",
        "Join them if they mean the same.",
    ),
    "health.languages": (
        "The inputs are in several languages: {languages}.",
        "Fine if meant; choose a base model that knows them all.",
    ),
    "health.characters": (
        "{count} rows hold suspicious characters ({kinds}).",
        "Clean them; they often come from a wrong encoding or a web page.",
    ),
    "health.personal": (
        "{count} rows may hold personal data ({kinds}).",
        "Mask them; a trained model can repeat what it has read.",
    ),
    "health.cut": (
        "{count} rows ({share}) are longer than {limit} tokens and would be cut in the middle.",
        "Raise the length limit of the run, or shorten the inputs.",
    ),
    "task.nothing_to_undo": ("The rows of task {task!r} were never changed.", "There is nothing to undo."),
    "task.no_version": ("Task {task!r} has no version {number}.", "List its versions first."),
    "task.no_split_column": (
        "Splitting by {method} needs a column.",
        "Choose the column that names the group or the split.",
    ),
    "pack.not_a_pack": (
        "{file} is not a project pack ({detail}).",
        "Choose a file that was saved with Export project.",
    ),
    "pack.unsafe": (
        "{file} holds the entry {name!r}, which a project pack never has.",
        "Do not use this file; ask its sender for a new export.",
    ),
    "pack.too_large": ("{file} unpacks to more than {bound} MB.", "Export fewer tasks at once."),
    "task.no_row": (
        "There is no row {line} in the {split} split.",
        "Load the rows again; they may have changed since.",
    ),
    "task.answer_parts": ("The answer needs {count} parts.", "Write them with {separator!r} between them."),
    "hub.shared": ("Data sets of the Hub are not offered on a shared page.", "Download the files and upload them."),
    "hub.bad_id": (
        "{dataset!r} is not the id of a data set.",
        "Write it as on the Hub, for example PolyAI/banking77.",
    ),
    "hub.unreachable": (
        "The data set {dataset} could not be fetched ({detail}).",
        "Check its name and the internet connection; some need a login on the Hub first.",
    ),
    "hub.no_files": (
        "The data set has no train file that can be read.",
        "Readable endings: {known}. Download it by other means and upload the files.",
    ),
    "hub.missing_part": (
        "The data set is cut into {parts} parts, of which {file} is missing.",
        "Choose another configuration, or download the files and upload them.",
    ),
    "domain.missing": (
        "The folder {folder} has no {file}.",
        "Name a folder that holds a {file} with the list of its tasks.",
    ),
    "domain.bad_json": (
        "{file} is not valid JSON ({detail}).",
        "Correct it; it lists the tasks with their files and columns.",
    ),
    "domain.no_tasks": (
        "{file} lists no tasks.",
        'Write {{"tasks": [{{"name": ..., "train": ..., "inputs": [...], "target": ...}}]}}.',
    ),
    "domain.bad_file_name": (
        "{file}: task {task} names the file {name}, which is not a plain file name.",
        "Put the file into the same folder and give its name only.",
    ),
    "domain.file_missing": (
        "The file {file} of task {task} is not in the folder.",
        "Add the file, or take the task out of the list.",
    ),
}
