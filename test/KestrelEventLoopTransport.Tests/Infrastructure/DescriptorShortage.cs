namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>
/// While it lives, the process can open only so many descriptors: RLIMIT_NOFILE is lowered and what is free below it is
/// taken.
/// </summary>
internal sealed class DescriptorShortage : IDisposable
{
    private const int PoolThreads = 16;

    private readonly Libc.ResourceLimit _limit;
    private readonly List<int> _fillers = [];

    public DescriptorShortage(int free = 0)
    {
        Assert.Equal(0, Libc.getrlimit(Libc.RLIMIT_NOFILE, ref _limit));
        var lowered = _limit;
        lowered.Current = (ulong)ProcessState.Descriptors().Max(static d => d.Descriptor) + 8;
        Assert.Equal(0, Libc.setrlimit(Libc.RLIMIT_NOFILE, ref lowered));
        for (int fd; (fd = Libc.dup(0)) >= 0;)
        {
            _fillers.Add(fd);
        }

        Assert.True(_fillers.Count > free);
        Free(free);
    }

    /// <summary>
    /// The runtime cannot start a thread without a free descriptor: all that its pool will need are started first.
    /// </summary>
    public static void StartPoolThreads()
    {
        ThreadPool.SetMinThreads(PoolThreads, PoolThreads);
        ThreadPool.SetMaxThreads(PoolThreads, PoolThreads);
        using var all = new CountdownEvent(PoolThreads);
        var threads = Enumerable.Range(0, PoolThreads).Select(_ => Task.Run(() =>
        {
            all.Signal();
            all.Wait();
        })).ToArray();
        Assert.True(all.Wait(TaskTimeoutExtensions.Default));
        Task.WaitAll(threads);
    }

    /// <summary>Sets descriptors free that the transport knows nothing of.</summary>
    public void Free(int count)
    {
        for (; count > 0; count--)
        {
            Libc.close(_fillers[^1]);
            _fillers.RemoveAt(_fillers.Count - 1);
        }
    }

    public void Dispose()
    {
        _fillers.ForEach(static fd => Libc.close(fd));
        var limit = _limit;
        Assert.Equal(0, Libc.setrlimit(Libc.RLIMIT_NOFILE, ref limit));
    }
}
