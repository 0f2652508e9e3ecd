using System.Collections.Concurrent;
using KestrelEventLoopTransport.Loops.Timers;
using KestrelEventLoopTransport.ProxyProtocol;
using KestrelEventLoopTransport.Tests.Loops;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>The reader that waits for a header, on a loop without a listener.</summary>
[Trait("Contract", "proxy")]
[FailsOnStock("Stock has no PROXY protocol.")]
public sealed class HeaderReaderTests
{
    private static readonly ProxyHeaderRules _rules = new(new ProxyProtocolOptions());

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_exception_ends_the_wait_so_that_what_comes_next_is_not_taken_for_a_header(
        ApplicationScheduling scheduling)
    {
        await using var subject = new LoopSubject(scheduling);
        using var pair = new SocketPair();
        var target = new Target();

        // Without rules, the read throws.
        var reader = new ProxyHeaderReader(pair.ServerFd, [], default, subject.Loop, _rules, target);
        reader.Start();
        pair.Client.Send("PROXY "u8);
        await Poll.UntilAsync(() => !target.Outcomes.IsEmpty);
        pair.Client.Send(HeaderBytes.Line);
        await subject.RunAsync(static () => { });

        Assert.Equal(ProxyProtocolFailure.Failed, Assert.Single(target.Outcomes));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_header_that_came_while_the_loop_was_kept_is_in_time(bool isWhole)
    {
        var rules = new ProxyHeaderRules(new ProxyProtocolOptions { HeaderTimeout = TimeSpan.FromMilliseconds(20) });
        await using var subject = new LoopSubject(ApplicationScheduling.Inline);
        using var pair = new SocketPair();
        var target = new Target();
        var reader = new ProxyHeaderReader(pair.ServerFd, [], new(rules), subject.Loop, rules, target);
        reader.Start();
        await subject.RunAsync(static () => { });
        var due = LoopClock.After(rules.Timeout);

        // The time passes in one turn. In the next one the timer posts the end of the wait, behind the work that sends
        // the header: no event can report it before.
        var length = isWhole ? HeaderBytes.Line.Length : 9;
        var sent = new WorkItem(() => pair.Client.Send(HeaderBytes.Line.AsSpan(0, length)));
        await subject.RunAsync(() =>
        {
            SpinWait.SpinUntil(() => LoopClock.Now > due);
            subject.Loop.Post(sent);
        });
        await Poll.UntilAsync(() => !target.Outcomes.IsEmpty);

        Assert.Equal(isWhole ? null : ProxyProtocolFailure.TimedOut, Assert.Single(target.Outcomes));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reader_belongs_to_the_loop_or_to_the_one_that_takes_it_back(bool isStarted)
    {
        await using var subject = new LoopSubject(ApplicationScheduling.Adaptive);
        using var pair = new SocketPair();
        pair.Client.Send(HeaderBytes.Line);
        var target = new Target();
        var reader = new ProxyHeaderReader(pair.ServerFd, [], new(_rules), subject.Loop, _rules, target);
        if (isStarted)
        {
            reader.Start();
            await subject.RunAsync(static () => { });
        }

        Assert.Equal(!isStarted, reader.TryTakeBack());
        reader.Start();
        reader.Stop();
        await subject.RunAsync(static () => { });
        await subject.RunAsync(static () => { });

        Assert.Equal(isStarted ? 1 : 0, target.Outcomes.Count);
    }

    private sealed class Target : IProxyHeaderTarget
    {
        /// <summary>A failure, or null for a header.</summary>
        public ConcurrentQueue<ProxyProtocolFailure?> Outcomes { get; } = [];

        public void OnHeader(ProxyHeaderReader reader, ProxyProtocolHeader header) => Outcomes.Enqueue(null);

        public void OnNoHeader(ProxyHeaderReader reader, in ProxyHeaderProblem problem)
            => Outcomes.Enqueue(problem.Reason);
    }
}
