using System.Diagnostics;
using KestrelEventLoopTransport.Diagnostics;

namespace KestrelEventLoopTransport.Tests.Metrics;

[FailsOnStock("Metrics of ours.")]
public sealed class BusyTimeTests
{
    [Fact]
    public void Only_the_time_between_beginning_and_end_counts()
    {
        var word = 0L;
        Assert.Equal(0, BusyTime.TicksOf(word, 1000));

        word = BusyTime.Begun(word, 1000);
        Assert.Equal(0, BusyTime.TicksOf(word, 1000));
        Assert.Equal(7, BusyTime.TicksOf(word, 1007));

        word = BusyTime.Ended(word, 1010);
        Assert.Equal(10, BusyTime.TicksOf(word, 1010));
        Assert.Equal(10, BusyTime.TicksOf(word, 5000));

        word = BusyTime.Begun(word, 5000);
        Assert.Equal(13, BusyTime.TicksOf(word, 5003));
        Assert.Equal(14, BusyTime.TicksOf(BusyTime.Ended(word, 5004), 9999));
    }

    [Fact]
    public async Task A_reader_never_gets_less_than_before_and_never_more_than_the_time_that_has_passed()
    {
        const int Rounds = 100_000;
        var busy = new Box();
        var start = Stopwatch.GetTimestamp();
        var worker = Task.Run(() =>
        {
            for (var i = 0; i < Rounds; i++)
            {
                busy.Time.Begin(Stopwatch.GetTimestamp());
                busy.Time.End(Stopwatch.GetTimestamp());
            }
        });
        var last = TimeSpan.Zero;
        while (!worker.IsCompleted)
        {
            var time = busy.Time.Read();
            Assert.InRange(time, last, Stopwatch.GetElapsedTime(start));
            last = time;
        }

        await worker;
    }

    [Fact]
    public void What_a_reader_has_got_does_not_fall_when_the_end_is_written_late()
    {
        var busy = new BusyTime();
        var clock = Stopwatch.GetTimestamp();
        busy.Begin(clock);
        TimeSpan shown;
        do
        {
            shown = busy.Read();
        }
        while (shown == TimeSpan.Zero);

        // The thread had read the clock before the reader did.
        busy.End(clock);

        Assert.Equal(shown, busy.Read());
        busy.Begin(clock);
        Assert.InRange(busy.Read(), shown, TimeSpan.MaxValue);
    }

    private sealed class Box
    {
        public BusyTime Time;
    }
}
