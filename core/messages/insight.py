"""Wording of jobs, corrections and what is measured in a run: errors, and sentences about tables (`says.*`)."""

MESSAGES: dict[str, tuple[str, str]] = {
    "insight.no_job": ("Nothing is running here.", "Start it first."),
    "insight.one_task": (
        "The run {run} has a single task.",
        "Leaving a task out needs a run with two tasks or more.",
    ),
    "insight.no_row": ("Exam row {row} of {task} was not answered.", "Choose a row from the list of answers."),
    "insight.row_changed": (
        "Row {line} of {task} has changed since this run was made.",
        "Correct it on the Tasks screen, or look at a newer run.",
    ),
    "insight.task_gone": ("The task {task} is no longer in the project.", "Add it again, or look at another run."),
    "insight.same_answer": (
        "The right answer of this row is already {answer!r}.",
        "Type another answer, or leave the row as it is.",
    ),
    "says.private_alike": (
        "On all tasks private skills make up about the same share of what the adapter adds ({share} %).",
        "",
    ),
    "says.near_allocation": (
        "By their use of the common skills {first} and {second} are closest ({high}), {third} and {fourth} farthest ({low}).",
        "",
    ),
    "says.near_pair": ("{first} and {second} are alike to {high} (1: the same, 0: nothing in common).", ""),
    "says.near_same": ("So far all pairs of tasks are equally close ({value}).", ""),
    "says.near_weights": (
        "In what they add to the model {first} and {second} are closest ({high}), {third} and {fourth} farthest ({low}).",
        "",
    ),
    "says.taught_by": ("{task} learns from {other}: trained without it, the score falls by {points} points.", ""),
    "says.disturbed_by": (
        "{task} is disturbed by {other}: trained without it, the score rises by {points} points.",
        "",
    ),
    "says.only_itself": (
        "A task that is left out loses its own score; no other change is larger than chance on these questions. Ask more of them to see smaller ones.",
        "",
    ),
    "says.chance_moves": (
        "Training again with another seed alone moves a task's score by up to {points} points; smaller changes say nothing.",
        "",
    ),
    "says.sharper": (
        "Since step {first} the choice of skills has become sharper: from {start} to {end} (0: all alike, 1: one skill does it all).",
        "",
    ),
    "says.evener": (
        "Since step {first} the choice of skills has become evener: from {start} to {end} (0: all alike, 1: one skill does it all).",
        "",
    ),
    "says.unmoved": (
        "The choice of skills has hardly changed since step {first}: its sharpness is {end} (0: all alike, 1: one skill does it all).",
        "",
    ),
    "says.most_skills": (
        "{task} uses {most} common skills in effect, the most; {other} uses {least}, the fewest, of {k}.",
        "",
    ),
    "says.layer_most": ("{task} leans on {skill} most in layer {layer} (weight {weight}).", ""),
    "says.gate_own": (
        "After stage 2 the tasks' own adapters carry {share} % of the sum on average; the most shared task is {task} ({least} %).",
        "",
    ),
    "says.runs_moved": ("The largest difference between the two runs: {task} on {skill}, {change}.", ""),
    "says.runs_same": ("The two runs use the common skills alike: no weight differs by more than {change}.", ""),
    "says.look_task": (
        "The weights of this method depend on the task alone: every text of {task} is answered with them. {skill} adds most to this text ({share} % of the base model's own output, over all layers).",
        "",
    ),
    "says.look_weights": ("This text was answered with {skill} most (weight {weight}, mean over the layers).", ""),
    "says.look_prompt": (
        "The gate has read this text: {skill} weighs most for it (weight {weight}, mean over the layers).",
        "",
    ),
    "says.look_token": (
        "Every token chooses for itself here; over the whole text {skill} weighs most (weight {weight}, mean over layers and tokens).",
        "",
    ),
    "says.worst_label": (
        "Of {n} exam rows with the right answer {label} only {right} were answered so; most often it was taken for {instead}.",
        "",
    ),
    "says.worst_label_alone": ("Of {n} exam rows with the right answer {label} only {right} were answered so.", ""),
    "says.labels_fine": ("Every label of this task is answered right in all of its exam rows.", ""),
    "says.new_task": (
        "{task} scores {start} with the skills of {nearest} as they are, and {end} after practising {rows} rows ({metric}).",
        "",
    ),
    "says.new_task_band": (
        "With {rows} rows the score lies between {low} and {high} over {draws} draws of the rows.",
        "",
    ),
    "says.new_task_enough": ("More rows than {rows} brought less than {points} points.", ""),
    "says.detector": (
        "By the text alone the task is told right for {accuracy} % of {n} exam texts ({low} to {high} with 95 % confidence); naming the largest task always would be right for {majority} %.",
        "",
    ),
    "says.certainty_good": (
        "How sure it says to be can be believed: {sure} % on average, and right in {right} % (a mean gap of {error} points).",
        "",
    ),
    "says.certainty_off": (
        "How sure it says to be is not how often it is right: {sure} % on average, but right in {right} % (a mean gap of {error} points).",
        "",
    ),
    "says.study_best": ("{arm} has the best mean, {mean} points.", ""),
    "says.study_sure": (
        "{arm} is {points} points {direction} {reference}; the interval over seeds leaves out zero.",
        "",
    ),
    "says.study_unsure": ("{arm} and {reference} cannot be told apart (seeds compared: {seeds}).", ""),
}
