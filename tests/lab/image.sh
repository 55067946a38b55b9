# Runs in the new image, as root, once. Whatever differs between hosts is written when a host boots. The arguments are
# packages that are still to be installed.
set -eu

# A package's own start of its service must do nothing here.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get update -qq </dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
rm /usr/sbin/policy-rc.d

cat >/etc/ssh/sshd_config.d/lab.conf <<'CONF'
PermitRootLogin prohibit-password
UseDNS no
LogLevel VERBOSE
MaxStartups 500:30:1000
MaxSessions 200
CONF

useradd --create-home --shell /bin/bash --uid 1000 auditor
useradd --create-home --shell /bin/bash --uid 1001 deployer
echo 'deployer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deployer
chmod 440 /etc/sudoers.d/deployer

# pam_env of sshd complains of its absence at every login.
echo 'LANG=C.UTF-8' >/etc/default/locale

# polkit, which firewalld needs, brings pam_systemd along: every login would start a systemd of its own.
sed -i '/pam_systemd\.so/d' /etc/pam.d/common-session

# A test starts what it needs; nothing else listens.
for unit in nginx haproxy redis-server postgresql nftables ufw dnsmasq tinyproxy firewalld systemd-resolved systemd-timesyncd \
    netfilter-persistent conntrackd fail2ban; do
  systemctl -q disable "$unit.service" 2>/dev/null || true
done
# Work by the clock, and consoles that nobody looks at.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer \
    fstrim.timer systemd-tmpfiles-clean.timer console-getty.service getty.target getty-static.service \
    systemd-networkd-wait-online.service; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done

# An empty machine-id makes systemd apply its presets, which would enable all of the above again.
rm -f /etc/machine-id /var/lib/dbus/machine-id /etc/ssh/ssh_host_* /etc/apt/sources.list /etc/apt/sources.list.d/*
rm -rf /var/lib/apt/lists /var/cache/apt /usr/share/doc /usr/share/man /usr/share/locale /var/log/apt
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
# systemd.unit(5), ConditionNeedsUpdate=: newer than /usr means that no host has to rebuild its caches at boot.
touch /etc/.updated /var/.updated
