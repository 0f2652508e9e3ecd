using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Dialing;

namespace KestrelEventLoopTransport.Tests.Dialing;

/// <summary>Which address a dial tries when, with a clock that the test moves.</summary>
[Trait("Contract", "client")]
[FailsOnStock("An internal class of ours.")]
public sealed class DialStateTests
{
    private const AddressFamily V6 = AddressFamily.InterNetworkV6;
    private const AddressFamily V4 = AddressFamily.InterNetwork;

    private static readonly SocketException _refused = new((int)SocketError.ConnectionRefused);
    private static readonly DialTimes _eager = new(FallbackDelay: 250, Timeout: 10_000);
    private static readonly DialTimes _serial = new(FallbackDelay: -1, Timeout: 10_000);

    [Fact]
    public void Families_take_turns_and_each_attempt_goes_on_alone_for_the_delay()
    {
        var state = Resolved(_eager, v6: 2, v4: 2);

        Assert.Equal("6.0@0 4.0@250 6.1@500 4.1@750", Run(state, until: 5000));
    }

    [Fact]
    public void What_is_left_of_one_family_follows()
    {
        Assert.Equal("6.0@0 4.0@250 6.1@500 6.2@750", Run(Resolved(_eager, v6: 3, v4: 1), until: 5000));
        Assert.Equal("4.0@0 4.1@250", Run(Resolved(_eager, v6: 0, v4: 2), until: 5000));
    }

    [Fact]
    public void A_failure_starts_the_next_at_once_and_once()
    {
        var state = Resolved(_eager, v6: 2, v4: 2);
        Assert.Equal("6.0@0", Run(state, until: 10));

        state.OnFailed(0, _refused);

        Assert.Equal("4.0@11 6.1@261 4.1@511", Run(state, from: 11, until: 2000));
    }

    [Fact]
    public void The_failure_of_an_older_attempt_starts_the_next_too()
    {
        var state = Resolved(_eager, v6: 2, v4: 1);
        Assert.Equal("6.0@0 4.0@250", Run(state, until: 300));

        state.OnFailed(0, _refused);

        Assert.Equal("6.1@301", Run(state, from: 301, until: 2000));
    }

    [Fact]
    public void IPv6_addresses_start_without_waiting_for_the_others()
    {
        var state = new DialState(_eager, 0, V6, V4);
        state.OnResolved(V6, EndPoints(V6, 1), 20);
        Assert.Equal("6.0@20", Run(state, from: 20, until: 1000));

        state.OnResolved(V4, EndPoints(V4, 1), 1001);

        Assert.Equal("4.0@1001", Run(state, from: 1001, until: 2000));
    }

    [Fact]
    public void IPv4_addresses_wait_a_little_for_the_others()
    {
        var state = KnowingIPv4(count: 2, from: 20);
        Assert.Equal("4.0@70", Run(state, from: 20, until: 100));

        // Too late to be first, but their turn comes.
        state.OnResolved(V6, EndPoints(V6, 1), 101);

        Assert.Equal("6.0@320 4.1@570", Run(state, from: 101, until: 2000));
    }

    [Fact]
    public void IPv6_addresses_that_come_within_the_resolution_delay_are_first()
    {
        var state = KnowingIPv4(count: 1, from: 20);
        Assert.Equal("", Run(state, from: 20, until: 60));

        state.OnResolved(V6, EndPoints(V6, 1), 61);

        Assert.Equal("6.0@61 4.0@311", Run(state, from: 61, until: 2000));
    }

    [Fact]
    public void IPv4_addresses_wait_no_longer_when_there_are_no_others()
    {
        var state = KnowingIPv4(count: 1, from: 20);
        Assert.Equal("", Run(state, from: 20, until: 30));

        state.OnUnresolved(V6, _refused, 31);

        Assert.Equal("4.0@31", Run(state, from: 31, until: 2000));
    }

    [Fact]
    public void All_failed_is_a_failure_only_when_no_address_can_come_any_more()
    {
        var state = new DialState(_eager, 0, V6, V4);
        state.OnResolved(V6, EndPoints(V6, 1), 0);
        Assert.Equal("6.0@0", Run(state, until: 0));
        state.OnFailed(0, _refused);
        Assert.Equal(DialMoveKind.Wait, state.Next(1).Kind);

        state.OnUnresolved(V4, _refused, 2);

        Assert.Equal(DialMoveKind.Fail, state.Next(2).Kind);
    }

    [Fact]
    public void The_deadline_ends_the_dial_while_attempts_go_on()
    {
        var state = Resolved(_eager, v6: 1, v4: 1);
        Assert.Equal("6.0@0 4.0@250", Run(state, until: 9999));

        Assert.Equal(DialMoveKind.Fail, state.Next(10_000).Kind);
    }

    [Fact]
    public void The_deadline_ends_the_dial_while_names_are_resolved()
    {
        var state = new DialState(_eager, 5, V6, V4);

        Assert.Equal(new DialMove(DialMoveKind.Wait, Until: 10_005), state.Next(5));
        Assert.Equal(DialMoveKind.Fail, state.Next(10_005).Kind);
    }

    [Fact]
    public void Without_a_timeout_a_dial_waits_for_ever()
    {
        var state = Resolved(new DialTimes(250, DialTimes.Never), v6: 1, v4: 0);
        Assert.Equal("6.0@0", Run(state, until: 100));

        Assert.Equal(new DialMove(DialMoveKind.Wait, Until: DialTimes.Never), state.Next(int.MaxValue));
    }

    // 10 s for 4 addresses: 2.5 s each, as nobody answers.
    [Fact]
    public void A_serial_dial_shares_its_time_out()
    {
        var state = Resolved(_serial, v6: 2, v4: 2);

        Assert.Equal("6.0@0 -0@2500 4.0@2500 -1@5000 6.1@5000 -2@7500 4.1@7500", Run(state, until: 9999));
        Assert.Equal(DialMoveKind.Fail, state.Next(10_000).Kind);
    }

    // What the first leaves is shared out by the others; the least is two seconds, as long as they are left.
    [Fact]
    public void A_share_is_at_least_two_seconds_and_never_more_than_what_is_left()
    {
        var state = Resolved(new DialTimes(-1, 5000), v6: 4, v4: 0);

        Assert.Equal("6.0@0 -0@2000 6.1@2000 -1@4000 6.2@4000", Run(state, until: 4999));
        Assert.Equal(DialMoveKind.Fail, state.Next(5000).Kind);
    }

    [Fact]
    public void A_serial_dial_has_one_attempt_at_a_time()
    {
        var state = Resolved(_serial, v6: 1, v4: 1);
        Assert.Equal("6.0@0", Run(state, until: 1000));

        state.OnFailed(0, _refused);

        Assert.Equal("4.0@1001", Run(state, from: 1001, until: 2000));
    }

    [Fact]
    public void The_failure_names_every_attempt_and_has_the_error_of_the_first()
    {
        var state = Resolved(_eager, v6: 1, v4: 1);
        Run(state, until: 300);
        state.OnFailed(1, new SocketException((int)SocketError.NetworkUnreachable));
        state.OnFailed(0, _refused);

        var failure = FailureOf(state);

        Assert.Equal(SocketError.ConnectionRefused, failure.SocketErrorCode);
        Assert.StartsWith("Cannot connect to name:80. [::1]:80: ", failure.Message, StringComparison.Ordinal);
        Assert.Contains("; 127.0.0.0:80: ", failure.Message, StringComparison.Ordinal);
        Assert.Equal(2, Assert.IsType<Exception[]>(failure.Data[DialFailure.AttemptsKey]).Length);
    }

    [Fact]
    public void A_timeout_has_its_error_whatever_the_first_attempt_has_failed_with()
    {
        var state = Resolved(_eager, v6: 1, v4: 1);
        Run(state, until: 300);
        state.OnFailed(0, _refused);

        var failure = FailureOf(state);

        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        Assert.Contains("127.0.0.0:80: no answer in time", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_of_the_resolver_that_may_pass_is_worth_more_than_one_that_stays()
    {
        var state = new DialState(_eager, 0, V6, V4);
        state.OnUnresolved(V6, new SocketException((int)SocketError.TryAgain), 1);
        state.OnUnresolved(V4, new SocketException((int)SocketError.HostNotFound), 2);

        Assert.Equal(DialMoveKind.Fail, state.Next(3).Kind);
        var failure = FailureOf(state);
        Assert.Equal(SocketError.TryAgain, failure.SocketErrorCode);
    }

    private static DialState Resolved(DialTimes times, int v6, int v4)
    {
        var state = new DialState(times, 0, V6, V4);
        state.OnResolved(V6, EndPoints(V6, v6), 0);
        state.OnResolved(V4, EndPoints(V4, v4), 0);
        return state;
    }

    /// <summary>A dial that began at 0 and still waits for the IPv6 addresses.</summary>
    private static DialState KnowingIPv4(int count, long from)
    {
        var state = new DialState(_eager, 0, V6, V4);
        state.OnResolved(V4, EndPoints(V4, count), from);
        return state;
    }

    private static SocketException FailureOf(DialState state)
        => Assert.IsType<SocketException>(DialFailure.Create(new DnsEndPoint("name", 80), state));

    private static IEnumerable<EndPoint> EndPoints(AddressFamily family, int count)
        => Enumerable.Range(0, count).Select(i => new IPEndPoint(
            family == V6 ? IPAddress.Parse($"::{i + 1}") : IPAddress.Parse($"127.0.0.{i}"), 80));

    /// <summary>What the state does while time goes on, millisecond by millisecond: "family.number@time".</summary>
    private static string Run(DialState state, long until, long from = 0)
    {
        var moves = new List<string>();
        for (var now = from; now <= until; now++)
        {
            var last = DialTimes.Never;
            for (var move = state.Next(now); move.Kind != DialMoveKind.Wait; move = state.Next(now))
            {
                Assert.NotEqual(DialMoveKind.Fail, move.Kind);
                moves.Add(move.Kind == DialMoveKind.Start
                    ? $"{NameOf((IPEndPoint)state.Attempts[move.Attempt].EndPoint)}@{now}"
                    : $"-{move.Attempt}@{now}");
            }

            // What it waits for lies ahead, so that a timer does not spin.
            last = state.Next(now).Until;
            Assert.True(last > now, $"At {now} it waits until {last}.");
        }

        return string.Join(' ', moves);
    }

    private static string NameOf(IPEndPoint endPoint)
    {
        var last = endPoint.Address.GetAddressBytes()[^1];
        return endPoint.AddressFamily == V6 ? $"6.{last - 1}" : $"4.{last}";
    }
}
