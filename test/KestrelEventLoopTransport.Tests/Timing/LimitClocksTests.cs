using KestrelEventLoopTransport.Connections.Timing;
using KestrelEventLoopTransport.Loops.Timers;

namespace KestrelEventLoopTransport.Tests.Timing;

/// <summary>What each limit measures, with a clock and a connection of the test's own.</summary>
[Trait("Contract", "limits")]
public sealed class LimitClocksTests
{
    private const long Limit = 1000;

    [Fact]
    public void A_connection_that_does_nothing_reaches_its_idle_limit_at_the_millisecond()
    {
        var connection = new Subject(static o => o.IdleTimeout = TimeSpan.FromMilliseconds(Limit));

        Assert.Equal((ConnectionLimit.IdleTimeout, Limit), connection.RunUntilReached(static (_, _) => { }));
    }

    [Fact]
    public void Without_limits_nothing_is_looked_at_again()
    {
        var connection = new Subject(static o => o.CloseTimeout = null);

        Assert.Equal(ConnectionLimit.None, connection.RunUntilReached(static (_, _) => { }).Limit);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_active_connection_is_idle_a_limit_after_its_last_byte_and_a_quarter_later_at_most(bool sends)
    {
        // Bytes move until then, one per millisecond.
        for (var last = 1; last < 1500; last += 13)
        {
            var connection = new Subject(static o => o.IdleTimeout = TimeSpan.FromMilliseconds(Limit));

            var (limit, at) = connection.RunUntilReached((c, now) =>
            {
                if (now <= last)
                {
                    c.Activity = sends
                        ? c.Activity with { Sent = c.Activity.Sent + 1 }
                        : c.Activity with { Received = c.Activity.Received + 1 };
                }
            });

            Assert.Equal(ConnectionLimit.IdleTimeout, limit);
            Assert.InRange(at - last, Limit, Limit + (Limit / 4));
        }
    }

    [Fact]
    public void One_byte_now_and_then_is_no_idleness()
    {
        var connection = new Subject(static o =>
        {
            o.IdleTimeout = TimeSpan.FromMilliseconds(Limit);
            o.ReceiveIdleTimeout = TimeSpan.FromMilliseconds(Limit);
        });

        Assert.Equal(ConnectionLimit.None, connection.RunUntilReached(static (c, now) =>
        {
            c.Activity = c.Activity with { IsAwaited = true };
            if (now % (Limit - 1) == 0)
            {
                c.Activity = c.Activity with { Received = c.Activity.Received + 1 };
            }
        }).Limit);
    }

    [Fact]
    public void Only_a_read_that_waits_makes_the_peer_idle()
    {
        var connection = new Subject(static o => o.ReceiveIdleTimeout = TimeSpan.FromMilliseconds(Limit));

        // The application works for long, and reads for a moment in between.
        var (limit, at) = connection.RunUntilReached(static (c, now) => c.Activity = now switch
        {
            < 10_000 => c.Activity with { IsAwaited = now % Limit < Limit / 2, Wait = (short)(now / Limit) },
            _ => c.Activity with { IsAwaited = true, Wait = 99 },
        });

        Assert.Equal(ConnectionLimit.ReceiveIdleTimeout, limit);
        Assert.InRange(at - 10_000, Limit, Limit + (Limit / 4));
    }

    [Fact]
    public void What_is_sent_does_not_make_the_peer_active()
    {
        var connection = new Subject(static o => o.ReceiveIdleTimeout = TimeSpan.FromMilliseconds(Limit));

        Assert.Equal(ConnectionLimit.ReceiveIdleTimeout, connection.RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { IsAwaited = true, Sent = now }).Limit);
    }

    [Fact]
    public void A_peer_that_takes_a_byte_per_limit_is_slow_and_one_that_takes_nothing_is_stalled()
    {
        static Subject Create() => new(static o => o.SendStallTimeout = TimeSpan.FromMilliseconds(Limit));

        Assert.Equal(ConnectionLimit.None, Create().RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { Unsent = 1_000_000, Sent = now / (Limit - 1) }).Limit);
        var (limit, at) = Create().RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { Unsent = now < 2000 ? 0 : 1_000_000 });

        Assert.Equal(ConnectionLimit.SendStallTimeout, limit);
        Assert.InRange(at - 2000, Limit, Limit + (Limit / 4));
    }

    [Fact]
    public void Nothing_to_send_is_no_stall()
    {
        var connection = new Subject(static o => o.SendStallTimeout = TimeSpan.FromMilliseconds(Limit));

        Assert.Equal(ConnectionLimit.None, connection.RunUntilReached(static (_, _) => { }).Limit);
    }

    [Fact]
    public void While_the_connection_closes_the_close_timeout_counts()
    {
        var connection = new Subject(static o =>
        {
            o.SendStallTimeout = TimeSpan.FromMilliseconds(Limit);
            o.CloseTimeout = TimeSpan.FromMilliseconds(3 * Limit);
        });

        var (limit, at) = connection.RunUntilReached(static (c, _)
            => c.Activity = c.Activity with { Unsent = 1, IsDraining = true });

        Assert.Equal(ConnectionLimit.CloseTimeout, limit);
        Assert.InRange(at, 3 * Limit, 4 * Limit);
    }

    [Fact]
    public void The_close_timeout_is_measured_from_when_the_connection_closes()
    {
        var connection = new Subject(static o =>
        {
            o.SendStallTimeout = TimeSpan.FromMilliseconds(10 * Limit);
            o.CloseTimeout = TimeSpan.FromMilliseconds(Limit);
        });

        // A connection looks when it begins to close. The third look of the first limit is at that time too.
        const long Closing = 3 * 10 * Limit / 4;
        var reached = connection.RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { Unsent = 1, IsDraining = now >= Closing });

        Assert.Equal((ConnectionLimit.CloseTimeout, Closing + Limit), reached);
    }

    [Fact]
    public void The_first_byte_is_waited_for_from_accept()
    {
        static Subject Create() => new(static o => o.FirstByteTimeout = TimeSpan.FromMilliseconds(Limit));

        Assert.Equal((ConnectionLimit.FirstByteTimeout, Limit), Create().RunUntilReached(static (_, _) => { }));
        Assert.Equal(ConnectionLimit.None, Create().RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { Received = now < Limit - 1 ? 0 : 1 }).Limit);

        // It waits in the kernel, because the application does not read.
        Assert.Equal(ConnectionLimit.None, Create().RunUntilReached(static (c, _)
            => c.Activity = c.Activity with { HasArrived = true }).Limit);
    }

    [Fact]
    public void After_the_FIN_of_the_peer_no_first_byte_is_awaited()
    {
        var connection = new Subject(static o => o.FirstByteTimeout = TimeSpan.FromMilliseconds(Limit));

        Assert.Equal(ConnectionLimit.None, connection.RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { PeerFinished = now >= Limit - 1 }).Limit);
    }

    [Fact]
    public void Idle_time_begins_when_the_application_gets_the_connection()
    {
        var connection = new Subject(static o => o.IdleTimeout = TimeSpan.FromMilliseconds(Limit));

        var (limit, at) = connection.RunUntilReached(static (c, now)
            => c.Activity = c.Activity with { IsTaken = now >= 10_000 });

        Assert.Equal(ConnectionLimit.IdleTimeout, limit);
        Assert.InRange(at - 10_000, Limit, Limit + (Limit / 4));
    }

    [Fact]
    public void A_look_that_takes_long_makes_no_limit_early()
    {
        const long Late = 700;
        var clocks = new LimitClocks(
            new ConnectionLimits(new EndpointOptions { IdleTimeout = TimeSpan.FromMilliseconds(Limit) }, null!));
        clocks.Start(0);
        var activity = new ConnectionActivity { IsTaken = true };

        // A byte may have come until the end of the first look, and any time after the counts of the second were read.
        Assert.Equal(ConnectionLimit.None, clocks.Look(0, Late, activity, out var next));
        Assert.Equal(ConnectionLimit.None, clocks.Look(Late + Limit - 1, 5 * Limit, activity, out next));
        Assert.Equal(Late + Limit, next);
        Assert.Equal(ConnectionLimit.IdleTimeout, clocks.Look(next, next, activity, out _));
    }

    [Fact]
    public void The_end_of_life_comes_twice_once_to_ask_and_once_to_abort()
    {
        var connection = new Subject(static o =>
        {
            o.MaxConnectionLifetime = TimeSpan.FromMilliseconds(Limit);
            o.CloseTimeout = TimeSpan.FromMilliseconds(500);
        });

        Assert.Equal((ConnectionLimit.MaxConnectionLifetime, Limit), connection.RunUntilReached(static (_, _) => { }));
        Assert.Equal(
            (ConnectionLimit.MaxConnectionLifetime, Limit + 500), connection.RunUntilReached(static (_, _) => { }));
    }

    /// <summary>A connection of which only the counts are there. Its time begins long after zero.</summary>
    private sealed class Subject
    {
        private const long Accepted = 5_000_000_000;
        private const long Horizon = 60_000;

        private LimitClocks _clocks;
        private long _now = Accepted;

        internal Subject(Action<EndpointOptions> configure)
        {
            var options = new EndpointOptions();
            configure(options);
            _clocks = new LimitClocks(new ConnectionLimits(options, null!));
            _clocks.Start(Accepted);
            Next = Accepted;
        }

        internal ConnectionActivity Activity { get; set; } = new() { IsTaken = true };

        private long Next { get; set; }

        /// <summary>Lets time pass, and looks when it was asked to.</summary>
        internal (ConnectionLimit Limit, long At) RunUntilReached(Action<Subject, long> act)
        {
            for (; _now < Accepted + Horizon; _now++)
            {
                act(this, _now - Accepted);
                if (_now >= Next)
                {
                    var limit = _clocks.Look(_now, _now, Activity, out var next);
                    Next = next;
                    if (limit != ConnectionLimit.None)
                    {
                        return (limit, _now++ - Accepted);
                    }

                    Assert.InRange(next, _now + 1, LoopTimer.Never);
                }
            }

            return (ConnectionLimit.None, Horizon);
        }
    }
}
