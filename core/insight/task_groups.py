"""Tables of many tasks cut to what can be read: alike tasks as one row, the tasks of one group, or a search.

A row of a view is a name with its members; a group is named after its most central task and how many more it has.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster

from core.insight.allocation import cluster_order, task_tree

MOST_ROWS = 40  # more tasks are shown as groups
GROUPS = 16

View = dict[str, list[str]]  # row name -> the tasks behind it


def whole(similarity: pd.DataFrame) -> pd.DataFrame:
    """Pairs that are not known count as the least alike ones that are."""
    known = similarity.to_numpy()
    lowest = np.nanmin(known) if not np.isnan(known).all() else 0.0
    return similarity.fillna(float(lowest))


def group_tasks(similarity: pd.DataFrame) -> View:
    """At most GROUPS groups of tasks that are alike, the most central task of each first."""
    filled = whole(similarity)
    names = [str(name) for name in filled.index]
    labels = fcluster(task_tree(filled, is_ordered=False), GROUPS, "maxclust")
    groups: View = {}
    for label in dict.fromkeys(labels):
        places = np.flatnonzero(labels == label)
        central = filled.to_numpy()[np.ix_(places, places)].mean(1)
        members = [names[places[i]] for i in np.argsort(-central, kind="stable")]
        groups[members[0] if len(members) == 1 else f"{members[0]} +{len(members) - 1}"] = members
    return groups


def view_tasks(similarity: pd.DataFrame, group: str = "", search: str = "") -> View:
    """The rows to show: a search over all names, one group, or all tasks where they are few, else all groups."""
    names = [str(name) for name in similarity.index]
    wanted = search.strip().casefold()
    if wanted:
        return {name: [name] for name in names if wanted in name.casefold()}
    if len(names) <= MOST_ROWS:
        return {name: [name] for name in cluster_order(whole(similarity))}
    groups = group_tasks(similarity)
    if group in groups:
        return {name: [name] for name in groups[group]}
    return groups


def cut_view(view: View) -> View:
    """The first MOST_ROWS rows."""
    return dict(list(view.items())[:MOST_ROWS])


def view_rows(table: pd.DataFrame, view: Mapping[str, list[str]]) -> pd.DataFrame:
    """The means of a table's rows [tasks x columns] over the members of each row of a view."""
    if table.empty:
        return table
    rows = [table.loc[[m for m in members if m in table.index]].mean() for members in view.values()]
    return pd.DataFrame(rows, index=list(view), columns=table.columns)


def view_square(table: pd.DataFrame, view: Mapping[str, list[str]]) -> pd.DataFrame:
    """As `view_rows` for [tasks x tasks]: the means over the pairs of members, of one task with itself left out."""
    names = [str(name) for name in table.index]
    member = np.zeros((len(view), len(names)))
    for row, members in enumerate(view.values()):
        member[row, [names.index(name) for name in members if name in names]] = 1.0
    values = table.to_numpy(dtype=float).copy()
    if any(len(members) > 1 for members in view.values()):
        np.fill_diagonal(values, np.nan)
    known = ~np.isnan(values)
    total = member @ np.where(known, values, 0.0) @ member.T
    count = member @ known.astype(float) @ member.T
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    alone = [i for i, members in enumerate(view.values()) if len(members) == 1]
    means[alone, alone] = np.where(np.isnan(means[alone, alone]), 1.0, means[alone, alone])
    return pd.DataFrame(means, index=list(view), columns=list(view))
