"""The settings of a node, as the desk tells of them."""

from cluster import Cluster
from node.desk.settings import OwnSetting, SettingsDesk
from node.settings import Settings
from node.settings.model import NAMES, spec_of
from node.settings.origins import SettingOrigin
from node.settings.spec import env_of, flag_of
from node.settings.words import default_in_words, plain


def settings_of(settings: Settings, cluster: Cluster) -> SettingsDesk:
    """What *settings* are, beside those of the layout."""
    return SettingsDesk(
        [own_setting(settings, name) for name in NAMES],
        cluster.statistics,
        lambda: cluster.layouts.live,
    )


def own_setting(settings: Settings, name: str) -> OwnSetting:
    """The setting *name*, and all that is known of it."""
    spec, origin = spec_of(name), settings.origins.get(name, SettingOrigin())
    return OwnSetting(
        name=name,
        value=plain(getattr(settings, name)),
        source=origin.source.value,
        where=origin.where,
        default=default_in_words(name).replace("`", ""),
        unit=spec.unit,
        accepts=spec.kind.accepts,
        doc=spec.doc,
        flag=flag_of(name),
        env=env_of(name),
        shared=spec.shared,
    )
