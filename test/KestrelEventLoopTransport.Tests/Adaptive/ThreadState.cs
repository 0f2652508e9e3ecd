using System.Globalization;
using System.Security.Principal;

namespace KestrelEventLoopTransport.Tests.Adaptive;

/// <summary>What application code can leave on its thread.</summary>
internal sealed record ThreadState(
    string? Local,
    string Culture,
    string UICulture,
    string? User,
    bool HasSynchronizationContext,
    bool IsFlowSuppressed,
    bool IsBackground,
    ThreadPriority Priority,
    bool IsRenamed)
{
    private const string Mark = "left behind";
    private static readonly AsyncLocal<string?> _local = new();

    public static ThreadState Clean { get; } = new(
        null, ".", ".", null, false, false, true, ThreadPriority.Normal, false);

    public static ThreadState Capture() => new(
        _local.Value,
        CultureInfo.CurrentCulture.NumberFormat.NumberDecimalSeparator,
        CultureInfo.CurrentUICulture.NumberFormat.NumberDecimalSeparator,
        Thread.CurrentPrincipal?.Identity?.Name,
        SynchronizationContext.Current is not null,
        ExecutionContext.IsFlowSuppressed(),
        Thread.CurrentThread.IsBackground,
        Thread.CurrentThread.Priority,
        Thread.CurrentThread.Name == Mark);

    /// <summary>Leaves all of it on the calling thread.</summary>
    public static void Spoil(bool suppressFlow)
    {
        _local.Value = Mark;
        CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = Mark } };
        CultureInfo.CurrentUICulture = CultureInfo.CurrentCulture;
        Thread.CurrentPrincipal = new GenericPrincipal(new GenericIdentity(Mark), null);
        SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
        Thread.CurrentThread.IsBackground = false;
        Thread.CurrentThread.Priority = ThreadPriority.BelowNormal;
        Thread.CurrentThread.Name = Mark;
        if (suppressFlow)
        {
            ExecutionContext.SuppressFlow();
        }
    }
}
