using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KestrelEventLoopTransport.Polling;

namespace KestrelEventLoopTransport.Tests.Polling;

// What ends a wait, and what does not.
public sealed partial class PollerTests
{
    [Fact]
    public void A_registration_by_the_thread_that_waits_wakes_nobody()
    {
        Assert.Equal(0, _poller.Wait(0));
        var (client, server) = Connect();
        client.Send(new byte[1]);
        _poller.Add(Fd(server), Token);

        var count = Wait(static () => "The socket was never readable.");

        for (var i = 0; i < count; i++)
        {
            _poller.GetEvent(i, out var token);
            Assert.Equal(Token, token);
        }
    }

    [Theory]
    [InlineData(60)]
    [InlineData(1001)]
    public void A_wait_without_events_takes_its_time(int milliseconds)
    {
        // A signal to the thread would cut one short.
        var waits = Enumerable.Range(0, 3).Select(_ =>
        {
            var start = Stopwatch.GetTimestamp();
            Assert.Equal(0, _poller.Wait(milliseconds));
            return Stopwatch.GetElapsedTime(start);
        });

        Assert.Contains(waits, wait => wait >= TimeSpan.FromMilliseconds(milliseconds - 1));
    }

    [Fact]
    public void A_wait_of_fractions_of_a_millisecond_takes_its_time_and_ends_with_an_event()
    {
        var moment = TimeSpan.FromMilliseconds(20.5);
        var waits = Enumerable.Range(0, 3).Select(_ =>
        {
            var start = Stopwatch.GetTimestamp();
            Assert.Equal(0, _poller.Wait(moment));
            return Stopwatch.GetElapsedTime(start);
        });
        Assert.Contains(waits, wait => wait >= moment);

        _poller.Wake();
        Assert.Equal(1, _poller.Wait(TimeSpan.FromHours(1)));
        _poller.GetEvent(0, out var token);
        Assert.Equal(Poller.WakeToken, token);
    }

    [Fact]
    public async Task A_signal_ends_a_wait_without_an_event()
    {
        const int SIGWINCH = 28;
        using var handler = PosixSignalRegistration.Create(
            PosixSignal.SIGWINCH, static context => context.Cancel = true);
        var thread = 0;
        var wait = Task.Factory.StartNew(
            () =>
            {
                Volatile.Write(ref thread, Libc.gettid());
                return _poller.Wait((int)TaskTimeoutExtensions.Default.TotalMilliseconds);
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        await Poll.UntilAsync(() => Volatile.Read(ref thread) != 0);

        // One that comes before the wait does not end it.
        await Poll.UntilAsync(() => wait.IsCompleted || Libc.tgkill(Environment.ProcessId, thread, SIGWINCH) != 0);

        Assert.Equal(0, await wait.DefaultTimeout());
    }

    // The number of a descriptor that is closed may be somebody else's a moment later.
    [Fact]
    public void A_wake_up_after_dispose_reaches_nobody()
    {
        var (client, server) = Connect();
        while (true)
        {
            using var poller = new EpollPoller();
            var number = WakeOf(poller);
            poller.Dispose();
            var successor = Libc.fcntl(Fd(server), Libc.F_DUPFD, number);
            if (successor == number)
            {
                poller.Wake();
            }

            Assert.Equal(0, Libc.close(successor));
            if (successor == number)
            {
                break;
            }
        }

        server.Send(new byte[1]);
        Assert.Equal(1, client.Receive(new byte[100]));
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_wake")]
    private static extern ref readonly int WakeOf(EpollPoller poller);
}
