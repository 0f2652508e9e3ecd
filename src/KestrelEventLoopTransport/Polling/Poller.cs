using System.Runtime.InteropServices;

namespace KestrelEventLoopTransport.Polling;

/// <summary>
/// Readiness and nothing else: which descriptors became ready since the last wait. Descriptors are registered once,
/// for everything, edge-triggered; an event names the token given at registration.
/// </summary>
/// <remarks>
/// One thread waits and reads events. <see cref="Add"/>, <see cref="Remove"/> and <see cref="Wake"/> may be called by
/// any thread at any time.
/// </remarks>
internal abstract class Poller : IDisposable
{
    /// <summary>The token of a wake-up. No descriptor may be registered with it.</summary>
    internal const ulong WakeToken = 0;

    internal static bool IsSupported
        => OperatingSystem.IsLinux()
            && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    internal static Poller Create()
        => IsSupported
            ? new EpollPoller()
            : throw new PlatformNotSupportedException("The event-loop transport needs epoll: Linux on x64 or arm64.");

    /// <summary>Registers a descriptor for its whole life.</summary>
    internal abstract void Add(int fd, ulong token);

    /// <summary>
    /// Ends a registration. Closing the last descriptor of a socket does the same; only one that stays open elsewhere
    /// needs this call.
    /// </summary>
    internal abstract void Remove(int fd);

    /// <summary>Waits for events. Returns how many there are; 0 after the timeout or an interruption.</summary>
    /// <param name="timeoutMilliseconds">-1 waits for ever, 0 does not wait.</param>
    internal abstract int Wait(int timeoutMilliseconds);

    /// <summary>Reads event number <paramref name="index"/> of the last wait.</summary>
    internal abstract PollEvents GetEvent(int index, out ulong token);

    /// <summary>Whether a wait would return at once. Any thread may ask.</summary>
    internal abstract bool HasEvents();

    /// <summary>Ends the current wait, or the next one, with an event of <see cref="WakeToken"/>.</summary>
    internal abstract void Wake();

    public abstract void Dispose();
}
