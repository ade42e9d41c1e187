#!/bin/sh
# Runs a cron daemon in the foreground that has one crontab and sends its mail into a file.
#   private_cron.sh FOLDER        FOLDER/crontab is installed; mail goes to FOLDER/mail
# In a mount namespace of its own (PRIVATE=1) it sees no crontab but this one, and nothing of the machine is touched.
# Without one it is for machines that are thrown away: it refuses to replace a crontab or a mailer.
set -eu
folder=$1

cat >"$folder/sendmail" <<MAILER
#!/bin/sh
exec cat >>"$folder/mail"
MAILER
chmod 755 "$folder/sendmail"

if [ "${PRIVATE:-}" = 1 ]; then
    mount --make-rprivate /
    mount -t tmpfs tmpfs /run
    mount -t tmpfs tmpfs /var/spool
    mkdir -p /var/spool/cron/crontabs "$folder/none" "$folder/sbin" "$folder/real"
    chmod 1730 /var/spool/cron/crontabs
    for place in /etc/cron.d /etc/crontab; do
        [ ! -d "$place" ] || mount --bind "$folder/none" "$place"
        [ ! -f "$place" ] || mount --bind /dev/null "$place"
    done
    mount --bind /usr/sbin "$folder/real"
    mount -o remount,bind,ro "$folder/real"
    ln -s "$folder"/real/* "$folder/sbin/"
    ln -sf "$folder/sendmail" "$folder/sbin/sendmail"
    cron=$(readlink -f "$(command -v cron)" | sed "s|^/usr/sbin/|$folder/real/|")
    mount --bind "$folder/sbin" /usr/sbin
else
    ! crontab -l >/dev/null 2>&1 || { echo "there is a crontab already" >&2; exit 1; }
    [ ! -e /usr/sbin/sendmail ] || { echo "there is a mailer already" >&2; exit 1; }
    trap 'crontab -r; rm -f /usr/sbin/sendmail' EXIT
    trap 'kill "$daemon"; exit' TERM
    ln -s "$folder/sendmail" /usr/sbin/sendmail
    cron=cron
fi

crontab "$folder/crontab"
"$cron" -f &
daemon=$!
echo "started"
wait "$daemon"
