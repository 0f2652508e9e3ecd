using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// Holds a thread of the transport that rents a block: in the middle of a receive, for as long as a test wants.
/// </summary>
internal sealed class RentGate
{
    private readonly TaskCompletionSource _opened = Signal.New();
    private readonly TaskCompletionSource _reached = Signal.New();

    // How many rents are left until one is held. Not positive while none will be.
    private int _left;

    /// <summary>A gate in the pool of the transport that is made from the settings.</summary>
    public RentGate(TestSettings settings)
        => settings.Services = services => services.AddSingleton<IMemoryPoolFactory<byte>>(
            new FailingMemoryPoolFactory(settings.Pools!, () =>
            {
                if (Interlocked.Decrement(ref _left) == 0)
                {
                    _reached.SetResult();
                    _opened.Task.Wait();
                }

                return false;
            }));

    /// <summary>Completes when a thread is held.</summary>
    public Task Reached => _reached.Task.DefaultTimeout();

    /// <summary>From now on, so many blocks are rented before a thread is held. Once.</summary>
    public void Close(int after = 0) => Volatile.Write(ref _left, after + 1);

    /// <summary>Lets the thread go on.</summary>
    public void Open() => _opened.SetResult();
}
