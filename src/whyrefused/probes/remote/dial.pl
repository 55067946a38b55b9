# Dial every path of the arguments (HOST PORT, or HOST PORT WHO PROXY) at once and print what the kernel said. Runs on the host, Perl 5.14+.
use strict;
use Errno ();
use IO::Select;
use Socket qw(:DEFAULT :addrinfo inet_ntop MSG_PEEK);
use POSIX ();

my ($patience, @keys) = @ARGV;
my $linger = 0.3;
my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
sub now { (POSIX::times())[0] / $ticks }
$| = 1;

sub name {
    my ($code) = @_;
    local $! = $code;
    my ($word) = grep { $!{$_} } sort keys %!;
    return $word || $code + 0;
}

sub row { syswrite STDOUT, join("\t", @_) . "\n" }

sub after {
    my ($s) = @_;
    return "ok" unless IO::Select->new($s)->can_read($linger);
    my $got = recv $s, my $byte, 1, MSG_PEEK;
    return name($!) unless defined $got;
    return length $byte ? "ok" : "CLOSED";
}

sub dial {
    my ($found) = @_;
    my $start = now();
    my $took = sub { int((now() - $start) * 1000) };
    socket(my $s, $found->{family}, SOCK_STREAM, 0) or return (name($!), $took->(), "-");
    $s->blocking(0);
    my $code = connect($s, $found->{addr}) ? 0 : $! + 0;
    my $own = getsockname $s;
    my $source = "-";
    if ($own) { (undef, $source) = getnameinfo($own, NI_NUMERICHOST | NI_NUMERICSERV, NIx_NOSERV) }
    if ($code == Errno::EINPROGRESS()) {
        $code = Errno::ETIMEDOUT();
        while ((my $left = $patience - (now() - $start)) > 0) {
            last unless IO::Select->new($s)->can_write($left);
            # An ICMP error in the socket's queue wakes select before SO_ERROR has it.
            my $error = unpack "i", getsockopt($s, SOL_SOCKET, SO_ERROR);
            if ($error || getpeername $s) { $code = $error; last }
            select undef, undef, undef, 0.05;
        }
    }
    my $elapsed = $took->();
    return ($code ? name($code) : after($s), $elapsed, $source || "-");
}

sub path {
    my ($key) = @_;
    my ($host, $port, $who, $proxy) = (split(/ /, $key), "-", "-");
    return row($key, "unable", "not dialled: needs python3 there") if $who ne "-" || $proxy ne "-";
    my $start = now();
    my ($error, @found) = getaddrinfo($host, $port, { socktype => SOCK_STREAM });
    if ($error) {
        my %word = map { my $n = $_; my $v = eval { no strict "refs"; &{"Socket::$n"}() }; defined $v ? ($v => $n) : () }
            qw(EAI_AGAIN EAI_FAIL EAI_NONAME EAI_NODATA EAI_ADDRFAMILY EAI_FAMILY EAI_SERVICE EAI_SYSTEM);
        row($key, "name", $word{ $error + 0 } || $error + 0, int((now() - $start) * 1000));
        return;
    }
    for my $one (@found) {
        my ($none, $address) = getnameinfo($one->{addr}, NI_NUMERICHOST | NI_NUMERICSERV, NIx_NOSERV);
        my ($code, $took, $source) = dial($one);
        row($key, "try", $address, $code, $took, $source, "-");
        last if $code eq "ok";
    }
}

my @children;
for my $key (@keys) {
    my $child = fork;
    if (!$child) {
        path($key);
        row($key, "end");
        exit 0;
    }
    push @children, $child;
    waitpid shift @children, 0 if @children >= 64;
}
waitpid $_, 0 for @children;
